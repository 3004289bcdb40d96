from ._apply_filters import apply_filters as apply_filters
from ._embed import embed as embed
from ._report import report as report
from .table import ParquetTable as ParquetTable
from .table import open_table as open_table
