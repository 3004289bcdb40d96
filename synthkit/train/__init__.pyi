from .classifier import FineTunedClassifier as FineTunedClassifier
from .classifier import fine_tuned as fine_tuned
from .classifier import finetune as finetune
