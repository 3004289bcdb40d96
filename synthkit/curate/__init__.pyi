from .duplicates.filters import (
    check_duplicates as check_duplicates,
    clusters as clusters,
    exact_duplicates as exact_duplicates,
    near_duplicates as near_duplicates,
    semantic_duplicates as semantic_duplicates,
)
from .filters.base import (
    Filter as Filter,
    apply_filters as apply_filters,
    by_column as by_column,
    cell_filter as cell_filter,
    row_filter as row_filter,
    text_filter as text_filter,
)
from .filters.contamination import no_contamination as no_contamination
from .filters.language import identify_languages as identify_languages, language as language
from .filters.model_scores import perplexity as perplexity, toxicity as toxicity
from .filters.pii import (
    find_pii as find_pii,
    find_secrets as find_secrets,
    no_pii as no_pii,
    no_secrets as no_secrets,
    redact as redact,
)
from .filters.refusals import no_leakage as no_leakage, no_refusals as no_refusals
from .filters.registry import filter_from_spec as filter_from_spec
from .filters.repetition import repetition as repetition
from .filters.text import (
    length as length,
    regex as regex,
    rows_where as rows_where,
    schema as schema,
    stopwords as stopwords,
    symbols as symbols,
)
from .label_noise.confident_learning import (
    confident_joint as confident_joint,
    label_issues as label_issues,
    label_quality as label_quality,
)
from .label_noise.methods import (
    no_label_noise as no_label_noise,
    suspects as suspects,
    suspicion as suspicion,
)
from .label_noise.out_of_fold import cross_fitted as cross_fitted
from .label_noise.pvi import by_pvi as by_pvi, pvi as pvi
from .label_noise.small_loss import small_loss as small_loss
from .labels.dawid_skene import (
    Consensus as Consensus,
    dawid_skene as dawid_skene,
    from_marks as from_marks,
    judgements as judgements,
)
from .labels.routing import cost_quality as cost_quality, route as route
from .labels.voting import relabel as relabel, vote as vote
from .marks.features import represent as represent
from .marks.learned_filter import LearnedFilter as LearnedFilter, learned as learned
from .marks.learning import learn as learn
from .marks.preferences import preferred as preferred
from .selection.distribution_matching import density_match as density_match, dsir as dsir
from .selection.diverse import (
    deita as deita,
    facility_location as facility_location,
    k_center as k_center,
)
from .selection.sampling import balanced as balanced, sample_by_score as sample_by_score
from .selection.weights import weights as weights
