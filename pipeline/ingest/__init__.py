"""What an archive says about a recording: file names, side tables, numbers. Pure.

A date comes from a side table, the container, the file name or the exchange's unique id, in
that order, and is None otherwise; the file's own modification time and the clock are not asked.
"""

from pipeline.ingest.metadata import (
    IngestOptions,
    Metadata,
    combine,
    find_zone,
    parse_timestamp,
)
from pipeline.ingest.names import GROUPS, NamePattern, parse_name, parse_patterns
from pipeline.ingest.numbers import caller_key, normalise_number
from pipeline.ingest.queues import (
    CDR_FIELDS,
    NEEDED_FIELDS,
    AccessOptions,
    CdrLayout,
    OpenTime,
    Queue,
    QueuePlan,
    parse_queues,
)
from pipeline.ingest.sidecar import SIDECAR_COLUMNS, parse_sidecar, sidecar_for

VERSION = 1

__all__ = [
    "CDR_FIELDS",
    "GROUPS",
    "NEEDED_FIELDS",
    "SIDECAR_COLUMNS",
    "VERSION",
    "AccessOptions",
    "CdrLayout",
    "IngestOptions",
    "Metadata",
    "NamePattern",
    "OpenTime",
    "Queue",
    "QueuePlan",
    "caller_key",
    "combine",
    "find_zone",
    "normalise_number",
    "parse_name",
    "parse_patterns",
    "parse_queues",
    "parse_sidecar",
    "parse_timestamp",
    "sidecar_for",
]
