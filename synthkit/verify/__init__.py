"""Verification of a bundle: everything that follows from something else is derived again.

:func:`verify` needs no network and no model. What it cannot derive it says, with the reason.
"""

from synthkit.verify._verify import verify as verify
from synthkit.verify.findings import Difference as Difference
from synthkit.verify.findings import NotChecked as NotChecked
from synthkit.verify.findings import Verification as Verification
