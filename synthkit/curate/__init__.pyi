from .duplicates.filters import (
    check_duplicates as check_duplicates,
)
from .duplicates.filters import (
    clusters as clusters,
)
from .duplicates.filters import (
    exact_duplicates as exact_duplicates,
)
from .duplicates.filters import (
    near_duplicates as near_duplicates,
)
from .duplicates.filters import (
    semantic_duplicates as semantic_duplicates,
)
from .filters.base import (
    Filter as Filter,
)
from .filters.base import (
    apply_filters as apply_filters,
)
from .filters.base import (
    cell_filter as cell_filter,
)
from .filters.base import (
    text_filter as text_filter,
)
from .filters.contamination import no_contamination as no_contamination
from .filters.language import identify_languages as identify_languages
from .filters.language import language as language
from .filters.model_scores import perplexity as perplexity
from .filters.model_scores import toxicity as toxicity
from .filters.pii import (
    find_pii as find_pii,
)
from .filters.pii import (
    find_secrets as find_secrets,
)
from .filters.pii import (
    no_pii as no_pii,
)
from .filters.pii import (
    no_secrets as no_secrets,
)
from .filters.pii import (
    redact as redact,
)
from .filters.refusals import no_leakage as no_leakage
from .filters.refusals import no_refusals as no_refusals
from .filters.registry import filter_from_spec as filter_from_spec
from .filters.registry import filter_option as filter_option
from .filters.repetition import repetition as repetition
from .filters.rows import by_column as by_column
from .filters.rows import row_filter as row_filter
from .filters.rows import rows_where as rows_where
from .filters.rows import schema as schema
from .filters.text import (
    length as length,
)
from .filters.text import (
    regex as regex,
)
from .filters.text import (
    stopwords as stopwords,
)
from .filters.text import (
    symbols as symbols,
)
from .label_noise.confident_learning import (
    confident_joint as confident_joint,
)
from .label_noise.confident_learning import (
    label_issues as label_issues,
)
from .label_noise.confident_learning import (
    label_quality as label_quality,
)
from .label_noise.methods import (
    no_label_noise as no_label_noise,
)
from .label_noise.methods import (
    suspects as suspects,
)
from .label_noise.methods import (
    suspicion as suspicion,
)
from .label_noise.out_of_fold import cross_fitted as cross_fitted
from .label_noise.pvi import by_pvi as by_pvi
from .label_noise.pvi import pvi as pvi
from .label_noise.small_loss import small_loss as small_loss
from .labels.dawid_skene import (
    Consensus as Consensus,
)
from .labels.dawid_skene import (
    dawid_skene as dawid_skene,
)
from .labels.dawid_skene import (
    from_marks as from_marks,
)
from .labels.dawid_skene import (
    judgements as judgements,
)
from .labels.routing import cost_quality as cost_quality
from .labels.routing import route as route
from .labels.voting import relabel as relabel
from .labels.voting import vote as vote
from .marks.features import represent as represent
from .marks.learned_filter import LearnedFilter as LearnedFilter
from .marks.learned_filter import learned as learned
from .marks.learning import learn as learn
from .marks.preferences import preferred as preferred
from .selection.distribution_matching import density_match as density_match
from .selection.distribution_matching import dsir as dsir
from .selection.diverse import (
    deita as deita,
)
from .selection.diverse import (
    facility_location as facility_location,
)
from .selection.diverse import (
    k_center as k_center,
)
from .selection.sampling import balanced as balanced
from .selection.sampling import sample_by_score as sample_by_score
from .selection.weights import weights as weights
