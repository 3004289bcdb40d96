from ._dpo import dpo as dpo
from ._sft import sft as sft
from .classifier import FineTunedClassifier as FineTunedClassifier
from .classifier import fine_tuned as fine_tuned
from .classifier import finetune as finetune
from .settings import TrainSettings as TrainSettings
from .trained import TrainedModel as TrainedModel
from .trained import load_trained as load_trained
