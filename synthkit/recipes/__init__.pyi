from ._attrprompt import attrprompt as attrprompt
from ._balance import balance as balance
from ._base import (
    Bounds as Bounds,
)
from ._base import (
    Recipe as Recipe,
)
from ._base import (
    ask_all as ask_all,
)
from ._base import (
    from_function as from_function,
)
from ._base import (
    gather as gather,
)
from ._base import (
    per_row as per_row,
)
from ._base import (
    per_table as per_table,
)
from ._base import (
    recipe as recipe,
)
from ._base import (
    user as user,
)
from ._chain import Field as Field
from ._chain import augment as augment
from ._chain import chain as chain
from ._dialogue import dialogue as dialogue
from ._dialogue import magpie as magpie
from ._diverse import diverse as diverse
from ._error_extrapolation import error_extrapolation as error_extrapolation
from ._evol_instruct import evol_instruct as evol_instruct
from ._freeal import freeal as freeal
from ._judge import judge as judge
from ._keywords import keywords as keywords
from ._likelihood import ifd as ifd
from ._likelihood import likelihood as likelihood
from ._likelihood import perplexity as perplexity
from ._pairwise import pairwise as pairwise
from ._progen import progen as progen
from ._prompt import prompt as prompt
from ._rag import grounded as grounded
from ._rag import rag as rag
from ._roundtrip import roundtrip as roundtrip
from ._self_consistency import (
    chain_of_thought as chain_of_thought,
)
from ._self_consistency import (
    self_consistency as self_consistency,
)
from ._self_instruct import self_instruct as self_instruct
from ._self_refine import backtranslate as backtranslate
from ._self_refine import self_refine as self_refine
from ._values import as_vary as as_vary
from ._values import personas as personas
from ._values import values as values
from ._variants import variants as variants
from ._zerogen import zerogen as zerogen
