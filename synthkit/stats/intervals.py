"""The Wilson interval of a proportion, and tails of the normal distribution."""

from __future__ import annotations

import math
from statistics import NormalDist

from synthkit.core.errors import UsageError


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a proportion, without continuity correction.

    It is suited to small samples: it stays within [0, 1] and does not shrink to a point at 0 or 1.
    For ``n = 0`` it is [0, 1].

    Parameters
    ----------
    successes, n : counts, ``0 <= successes <= n``; a tie may count as half a success, and n may be
        an effective sample size.
    level : how often such intervals contain the true proportion.

    Raises
    ------
    UsageError
        If the counts or the level are out of range.

    References
    ----------
    E. B. Wilson (1927), Probable inference, JASA 22, 209-212; L. D. Brown et al. (2001), Interval
    estimation for a binomial proportion, Statistical Science 16, equation 4.

    Examples
    --------
    >>> low, high = wilson(11, 20)
    >>> f"{low:.3f} {high:.3f}"
    '0.342 0.742'
    """
    if not 0 <= successes <= n:
        raise UsageError(f"expected 0 <= successes <= n; got {successes} of {n}.")
    check_level(level)
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # at the ends the bound is exact, without rounding errors
    return (0.0 if successes == 0 else middle - half), (1.0 if successes == n else middle + half)


def check_level(level: float) -> None:
    """Raise a :class:`UsageError` if a level is not between 0 and 1."""
    if not 0 < level < 1:
        raise UsageError(f"expected a level between 0 and 1; got {level}.")


def normal_tail(z: float) -> float:
    """Both tails of the normal distribution beyond ``z``.

    >>> f"{normal_tail(1.96):.4f} {normal_tail(-20):.2e}"
    '0.0500 5.51e-89'
    """
    return math.erfc(abs(z) / math.sqrt(2))
