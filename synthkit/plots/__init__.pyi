from ._agreement import agreement as agreement
from ._cost_quality import cost_quality as cost_quality
from ._funnel import funnel as funnel
from ._reliability import binned as binned, reliability as reliability
from ._scores import scores as scores
from .label_noise import confusion as confusion, losses as losses
from .learning_curves import learning_curve as learning_curve, tstr as tstr
from .maps import cartography as cartography, embedding_map as embedding_map
from .proportions import accept_rates as accept_rates, balance as balance
from .theme import (
    HUES as HUES,
    SYMBOLS as SYMBOLS,
    caption as caption,
    reading as reading,
    rows as rows,
    size as size,
)
