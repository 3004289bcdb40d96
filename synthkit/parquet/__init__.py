"""Tables in Parquet files that do not fit into memory: filtered, sampled, embedded and evaluated.

The functions have the names of those for tables in memory, and the same results. Work is done in
batches by this process, or by a Ray cluster.
"""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
