from ._compare import compare as compare
from ._report import report as report
from .metrics.embedding_diversity import (
    aps as aps,
    chamfer as chamfer,
    remote_clique as remote_clique,
    vendi as vendi,
)
from .metrics.embedding_fidelity import (
    frechet_distance as frechet_distance,
    prdc as prdc,
    two_sample as two_sample,
)
from .metrics.faithfulness import (
    Faithfulness as Faithfulness,
    entailment as entailment,
    grounded as grounded,
    judged as judged,
    label_accuracy as label_accuracy,
    pass_rate as pass_rate,
)
from .metrics.learners import held_out as held_out, light as light
from .metrics.lexical_diversity import (
    compression_ratio as compression_ratio,
    distinct_n as distinct_n,
    mtld as mtld,
    ngram_entropy as ngram_entropy,
    vocabulary as vocabulary,
)
from .metrics.mauve_and_divergence import (
    label_divergence as label_divergence,
    length_divergence as length_divergence,
    mauve as mauve,
)
from .metrics.memorization import Memorised as Memorised, memorised as memorised
from .metrics.self_bleu import self_bleu as self_bleu
from .metrics.tstr import (
    Gain as Gain,
    Utility as Utility,
    gain as gain,
    learning_curve as learning_curve,
    tstr as tstr,
)
from .raters.agreement import cohen as cohen, fleiss as fleiss, krippendorff as krippendorff
from .raters.bradley_terry import (
    Battle as Battle,
    length_controlled as length_controlled,
    order_consistency as order_consistency,
    ratings as ratings,
    settled as settled,
    win_rate as win_rate,
)
from .raters.judge_calibration import Calibration as Calibration, calibrate as calibrate
from .raters.leaderboard import (
    Leaderboard as Leaderboard,
    leaderboard as leaderboard,
    pairs as pairs,
)
from .raters.preferences import battles as battles, left_wins as left_wins, standings as standings
from .raters.reliability import reliability as reliability
from .results import Report as Report
