"""The order of the stages, resuming, workers and failures. The only module that knows the order."""

from pipeline.run.again import correct_roles
from pipeline.run.batch import BatchOptions, Summary, Watcher, run_batch
from pipeline.run.examples import lexicon_names, run_example
from pipeline.run.importing import Arrival, arrival, import_calls
from pipeline.run.plan import Plan, build_plan, fingerprints, read_card
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
    "lexicon_names",
    "process",
    "read_card",
    "run_batch",
    "run_example",
]
