from ._compare import compare as compare
from ._report import report as report
from .metrics.divergence import (
    label_divergence as label_divergence,
)
from .metrics.divergence import (
    length_divergence as length_divergence,
)
from .metrics.embedding_diversity import (
    aps as aps,
)
from .metrics.embedding_diversity import (
    chamfer as chamfer,
)
from .metrics.embedding_diversity import (
    remote_clique as remote_clique,
)
from .metrics.embedding_diversity import (
    vendi as vendi,
)
from .metrics.embedding_fidelity import (
    frechet_distance as frechet_distance,
)
from .metrics.embedding_fidelity import (
    prdc as prdc,
)
from .metrics.embedding_fidelity import (
    two_sample as two_sample,
)
from .metrics.faithfulness import (
    Faithfulness as Faithfulness,
)
from .metrics.faithfulness import (
    judged as judged,
)
from .metrics.faithfulness import (
    label_accuracy as label_accuracy,
)
from .metrics.faithfulness import (
    pass_rate as pass_rate,
)
from .metrics.grounding import (
    entailment as entailment,
)
from .metrics.grounding import (
    grounded as grounded,
)
from .metrics.learners import held_out as held_out
from .metrics.learners import light as light
from .metrics.lexical_diversity import (
    compression_ratio as compression_ratio,
)
from .metrics.lexical_diversity import (
    distinct_n as distinct_n,
)
from .metrics.lexical_diversity import (
    mtld as mtld,
)
from .metrics.lexical_diversity import (
    ngram_entropy as ngram_entropy,
)
from .metrics.lexical_diversity import (
    vocabulary as vocabulary,
)
from .metrics.mauve import (
    mauve as mauve,
)
from .metrics.memorization import Memorised as Memorised
from .metrics.memorization import memorised as memorised
from .metrics.self_bleu import self_bleu as self_bleu
from .metrics.tstr import (
    Gain as Gain,
)
from .metrics.tstr import (
    Utility as Utility,
)
from .metrics.tstr import (
    gain as gain,
)
from .metrics.tstr import (
    learning_curve as learning_curve,
)
from .metrics.tstr import (
    tstr as tstr,
)
from .raters.agreement import cohen as cohen
from .raters.agreement import fleiss as fleiss
from .raters.battles import (
    Battle as Battle,
)
from .raters.battles import (
    order_consistency as order_consistency,
)
from .raters.battles import (
    settled as settled,
)
from .raters.battles import (
    win_rate as win_rate,
)
from .raters.bradley_terry import (
    ratings as ratings,
)
from .raters.judge_calibration import Calibration as Calibration
from .raters.judge_calibration import calibrate as calibrate
from .raters.krippendorff import krippendorff as krippendorff
from .raters.leaderboard import (
    Leaderboard as Leaderboard,
)
from .raters.leaderboard import (
    leaderboard as leaderboard,
)
from .raters.leaderboard import (
    pairs as pairs,
)
from .raters.length_control import (
    length_controlled as length_controlled,
)
from .raters.preferences import battles as battles
from .raters.preferences import left_wins as left_wins
from .raters.preferences import standings as standings
from .raters.reliability import reliability as reliability
from .registry import metric as metric
from .results import Report as Report
