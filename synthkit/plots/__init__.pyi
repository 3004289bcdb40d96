from ._agreement import agreement as agreement
from ._cost_quality import cost_quality as cost_quality
from ._funnel import funnel as funnel
from ._reliability import binned as binned
from ._reliability import reliability as reliability
from ._scores import scores as scores
from .label_noise import confusion as confusion
from .label_noise import losses as losses
from .learning_curves import learning_curve as learning_curve
from .learning_curves import tstr as tstr
from .maps import cartography as cartography
from .maps import embedding_map as embedding_map
from .proportions import accept_rates as accept_rates
from .proportions import balance as balance
from .registry import plot as plot
from .theme import (
    HUES as HUES,
)
from .theme import (
    SYMBOLS as SYMBOLS,
)
from .theme import (
    caption as caption,
)
from .theme import (
    reading as reading,
)
from .theme import (
    rows as rows,
)
from .theme import (
    size as size,
)
