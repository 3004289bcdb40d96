from .run import Benchmark as Benchmark
from .run import benchmark as benchmark
from .run import compare as compare
from .tasks import task as task
