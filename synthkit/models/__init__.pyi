from .embedders import Embedder as Embedder
from .embedders import embedder as embedder
from .embedders import load_embedder as load_embedder
from .fake import Fake as Fake
from .pool import Pool as Pool
from .schemes import load_model as load_model
from .schemes import model_scheme as model_scheme
from .schemes import model_specs as model_specs
