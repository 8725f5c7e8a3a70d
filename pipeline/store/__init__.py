"""The database of results and its only owner (DuckDB)."""

from pipeline.store.database import snapshot_path
from pipeline.store.log_reading import Rejection
from pipeline.store.logs import LoadedLog, LogSources
from pipeline.store.store import Store, open_for_reading
from pipeline.store.values import Counts, RunInfo, RunStatus, Table

__all__ = [
    "Counts",
    "LoadedLog",
    "LogSources",
    "Rejection",
    "RunInfo",
    "RunStatus",
    "Store",
    "Table",
    "open_for_reading",
    "snapshot_path",
]
