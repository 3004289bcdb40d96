from . import (
    curate as curate,
)
from . import (
    evaluate as evaluate,
)
from . import (
    models as models,
)
from . import (
    parquet as parquet,
)
from . import (
    plots as plots,
)
from . import (
    recipes as recipes,
)
from . import (
    share as share,
)
from . import (
    train as train,
)
from .core.errors import SynthkitError as SynthkitError
from .core.types import Sampling as Sampling
from .curate.selection.splitting import shard as shard
from .curate.selection.splitting import splits as splits
from .data.results import Run as Run
from .generation.job import generate as generate
from .generation.job import plan as plan
from .generation.prompt_filter import by_prompt as by_prompt
from .generation.text_columns import classify as classify
from .generation.text_columns import embed as embed
from .generation.text_columns import similarity as similarity
from .models import Fake as Fake
from .models import Pool as Pool
from .models import load_embedder as load_embedder
from .models import load_model as load_model
from .models.hub.sample_data import load_sample as load_sample
from .prompts.templates import Examples as Examples
from .sessions.current import session as session
from .sessions.session import Session as Session

__version__: str

def load_ipython_extension(shell: object) -> None: ...
def unload_ipython_extension(shell: object) -> None: ...
