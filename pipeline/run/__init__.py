"""The order of the stages, resuming, workers and failures. The only module that knows the order."""

from pipeline.run.again import correct_roles
from pipeline.run.batch import BatchOptions, Summary, Watcher, run_batch
from pipeline.run.importing import Arrival, arrival, import_calls
from pipeline.run.plan import Plan, build_plan, fingerprints
from pipeline.run.work import Item, process

__all__ = [
    "Arrival",
    "BatchOptions",
    "Item",
    "Plan",
    "Summary",
    "Watcher",
    "arrival",
    "build_plan",
    "correct_roles",
    "fingerprints",
    "import_calls",
    "process",
    "run_batch",
]
