from . import (
    curate as curate,
    evaluate as evaluate,
    plots as plots,
    recipes as recipes,
    share as share,
    train as train,
)
from .core.errors import SynthkitError as SynthkitError
from .core.types import Run as Run, Sampling as Sampling
from .generation.job import generate as generate, plan as plan
from .models import load_model as load_model
from .models.embedders import load_embedder as load_embedder
from .models.fake import Fake as Fake
from .models.hub.sample_data import load_sample as load_sample
from .prompts.templates import Examples as Examples
from .sessions.session import Session as Session, session as session

__version__: str

def load_ipython_extension(shell: object) -> None: ...
def unload_ipython_extension(shell: object) -> None: ...
