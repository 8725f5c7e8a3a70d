"""What is known of a call before its audio is opened, and which source is believed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import ConfigError

DIRECTIONS = {
    "inbound": "inbound", "incoming": "inbound", "in": "inbound",
    "outbound": "outbound", "outgoing": "outbound", "out": "outbound",
    "internal": "internal",
}  # fmt: skip

_YEARS = (1990, 2100)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class IngestOptions:
    #: IANA zone of times that carry none (file names, side tables).
    zone: str = "Asia/Almaty"
    #: Channel (0 left, 1 right) of the operator where neither the side table nor the name
    #: pattern says; None: to be found from the speech.
    operator_channel: int | None = None
    #: Whether links below the archive are followed (loops are safe either way).
    follow_symlinks: bool = False
    #: Bytes; larger files are reported and not read.
    max_bytes: int = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of a call before its audio is opened; None where nothing says it.

    `caller` is the normalised number of the outside party, also of outbound calls; it is never
    stored and stays out of `repr`. `source` is the id of the name pattern that matched first.
    """

    started_at: datetime | None = None
    started_at_source: str | None = None
    queue: str | None = None
    did: str | None = None
    agent_id: str | None = None
    agent_name: str | None = field(default=None, repr=False)
    caller: str | None = field(default=None, repr=False)
    direction: str | None = None
    uniqueid: str | None = None
    linkedid: str | None = None
    operator_channel: int | None = None
    source: str | None = None

    def filled(self, other: Metadata) -> Metadata:
        """This, with what is missing taken from `other`; a date moves with its source."""
        dated = self if self.started_at is not None else other
        return Metadata(
            started_at=dated.started_at,
            started_at_source=dated.started_at_source,
            queue=self.queue or other.queue,
            did=self.did or other.did,
            agent_id=self.agent_id or other.agent_id,
            agent_name=self.agent_name or other.agent_name,
            caller=self.caller or other.caller,
            direction=self.direction or other.direction,
            uniqueid=self.uniqueid or other.uniqueid,
            linkedid=self.linkedid or other.linkedid,
            operator_channel=(
                other.operator_channel if self.operator_channel is None else self.operator_channel
            ),
            source=self.source or other.source,
        )


def find_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name; ConfigError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"time zone {name!r} is unknown; use an IANA name such as Asia/Almaty"
        ) from error


def parse_timestamp(text: str | None, zone: ZoneInfo) -> datetime | None:
    """A written date *with* a time, in `zone` unless it carries an offset; else None."""
    text = (text or "").strip()
    if not re.search(r"\d[T ]\d", text):
        return None
    for written in (None, "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"):
        try:
            if written is None:
                moment = datetime.fromisoformat(text)
            else:
                moment = datetime.strptime(text, written)  # noqa: DTZ007
        except ValueError:
            continue
        return _bounded(moment if moment.tzinfo else moment.replace(tzinfo=zone), zone)
    return None


def _bounded(moment: datetime, zone: ZoneInfo) -> datetime | None:
    if not _YEARS[0] < moment.year < _YEARS[1]:
        return None
    return moment.astimezone(zone)


def from_epoch(text: str | None, zone: ZoneInfo) -> datetime | None:
    """The integer part of `epoch` or `system-epoch.sequence`; None unless it is a sane time."""
    found = re.fullmatch(r"(?:.*-)?(\d{9,11})(?:\.\d+)?", text or "")
    return _bounded(datetime.fromtimestamp(int(found[1]), UTC), zone) if found else None


def from_digits(
    date: str | None, time: str | None, date_format: str, zone: ZoneInfo
) -> tuple[datetime | None, bool]:
    """The moment written in a name, and whether the time of day is known."""
    day, clock = re.sub(r"\D", "", date or ""), re.sub(r"\D", "", time or "")
    if not day:
        return None, False
    clock_format = {6: "%H%M%S", 4: "%H%M", 0: ""}.get(len(clock))
    if clock_format is None:
        return None, False
    try:
        moment = datetime.strptime(f"{day} {clock}", f"{date_format} {clock_format}")  # noqa: DTZ007
    except ValueError:
        return None, False
    return _bounded(moment.replace(tzinfo=zone), zone), bool(clock)


def settled(found: Metadata, zone: ZoneInfo) -> Metadata:
    """Compare the date with the second time that the unique id carries.

    The id supplies a missing date or a missing time of day; a date more than a day away from it
    stays and its source says so.
    """
    second = from_epoch(found.uniqueid, zone)
    first, source = found.started_at, found.started_at_source
    if second is None or (source or "").endswith("disagrees"):
        return found
    if first is None or source is None:
        return replace(found, started_at=second, started_at_source="uniqueid")
    day_only = source.endswith("_day")
    if day_only and -_ONE_DAY <= second - first < 2 * _ONE_DAY:
        return replace(found, started_at=second, started_at_source="uniqueid")
    if abs(second - first) > _ONE_DAY:
        return replace(found, started_at_source=f"{source}, uniqueid disagrees")
    return found


def combine(
    name: Metadata,
    *,
    sidecar: Metadata | None = None,
    tags_date: str | None = None,
    options: IngestOptions,
) -> Metadata:
    """One answer from all sources: side table, then container tags, then the name."""
    zone = find_zone(options.zone)
    tagged = parse_timestamp(tags_date, zone)
    container = Metadata(started_at=tagged, started_at_source="container" if tagged else None)
    default = Metadata(operator_channel=options.operator_channel)
    merged = (sidecar or Metadata()).filled(container).filled(name).filled(default)
    return settled(merged, zone)


def only_known(owner: str, given: Iterable[str], known: Sequence[str]) -> None:
    """ConfigError, naming both, when something is given that is not known."""
    if unknown := sorted(set(given) - set(known)):
        raise ConfigError(f"{owner}: unknown {unknown}; known: {', '.join(dict.fromkeys(known))}")
