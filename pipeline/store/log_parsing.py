# ruff: noqa: S608 - what is put into SQL are expressions built here and quoted texts
"""The SQL that judges and splits lines of a log; every number leaves it normalised or not at all.

Each statement gives one row per line of a table `log_lines` (number, line) with `kind`: NULL for a
valid line, else why it was rejected.
"""

from __future__ import annotations

import re

from pipeline.ingest import CDR_FIELDS, CdrLayout
from pipeline.store.log_layout import TITLES, Columns

DISPOSITIONS = ("ANSWERED", "NO ANSWER", "BUSY", "CONGESTION", "FAILED")
#: Least number of parameters of the events that are counted.
EVENT_PARAMETERS = {
    "ENTERQUEUE": 3, "CONNECT": 3, "COMPLETEAGENT": 3, "COMPLETECALLER": 3, "ABANDON": 3,
    "EXITWITHTIMEOUT": 3, "EXITEMPTY": 3, "JOINEMPTY": 0, "RINGNOANSWER": 1,
    "BLINDTRANSFER": 5, "ATTENDEDTRANSFER": 5,
}  # fmt: skip
#: Events that count for nothing here.
OTHER_EVENTS = (
    "ADDMEMBER", "REMOVEMEMBER", "PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL", "CONFIGRELOAD",
    "QUEUESTART", "AGENTDUMP", "AGENTLOGIN", "AGENTLOGOFF", "AGENTCALLBACKLOGIN",
    "AGENTCALLBACKLOGOFF", "SYSCOMPAT", "TRANSFER", "PENALTY", "DID", "INFO", "EXITWITHKEY",
    "RINGCANCELED", "CALLERTRANSFER", "MEMBERRING",
)  # fmt: skip
BINARY = r"regexp_matches(line, '[\x00-\x1f\x7f]')"

#: The rules of pipeline.ingest.normalise_number; a test holds the two together.
NUMBER_MACROS = (
    """CREATE OR REPLACE TEMP MACRO phone_digits(raw) AS
        regexp_replace(coalesce(raw, ''), '[^0-9]', '', 'g')""",
    """CREATE OR REPLACE TEMP MACRO phone_bare(digits) AS ltrim(
        CASE WHEN starts_with(digits, '810') AND length(digits) >= 13
            THEN substr(digits, 4) ELSE digits END, '0')""",
    """CREATE OR REPLACE TEMP MACRO phone_spelled(bare) AS CASE
        WHEN length(bare) = 11 AND left(bare, 1) IN ('7', '8') THEN '+7' || substr(bare, 2)
        WHEN length(bare) = 10 THEN '+7' || bare
        WHEN length(bare) >= 11 THEN '+' || bare END""",
    """CREATE OR REPLACE TEMP MACRO phone_number(raw) AS
        phone_spelled(phone_bare(phone_digits(raw)))""",
)


def quoted(text: str) -> str:
    """An SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def listed(texts: tuple[str, ...]) -> str:
    """The inside of an SQL list of literals; never empty."""
    return ", ".join(map(quoted, texts)) or "NULL"


def is_moment(text: str, time_format: str) -> str:
    """SQL: whether a text is a real moment in a format, digit for digit."""
    shape = re.escape(time_format).replace("%Y", "(?:[1-9][0-9]{3}|0[0-9]{2}[1-9])")
    for part in ("%m", "%d", "%H", "%M", "%S", "%y"):
        shape = shape.replace(part, "[0-9]{2}")
    parsed = f"try_strptime({text}, {quoted(time_format)})"
    if "%" in shape:  # names of months and the like
        return f"coalesce(strftime({parsed}, {quoted(time_format)}) = {text}, false)"
    return f"(regexp_full_match({text}, {quoted(shape)}) AND {parsed} IS NOT NULL)"


def whole_sql(columns: Columns, layout: CdrLayout) -> str:
    """Lines of `log_lines` with `whole`: readable, quotes closed, the right number of columns."""
    mark = re.escape(layout.delimiter)
    one = f'(?:"(?:[^"]|"")*"|[^"{mark}]*)'
    shape = quoted(f"{one}(?:{mark}{one}){{{columns.width - 1}}}")
    return (
        f"SELECT number, line, NOT {BINARY} AND regexp_full_match(line, {shape}) AS whole "
        "FROM log_lines"
    )


def cdr_sql(columns: Columns, layout: CdrLayout) -> str:
    """Call detail records: kind, and of valid lines src, dst, moment, ids …

    Reads `log_whole` (number, line, whole) and, of the whole lines, `log_fields` (number and the
    fields that the columns name).
    """
    absent = ", ".join(
        f'NULL::VARCHAR AS "{name}"' for name in CDR_FIELDS if columns.place(name) is None
    )
    return f"""
WITH named AS (
    SELECT *{", " + absent if absent else ""} FROM log_fields
)
SELECT number, line, src, coalesce(nullif(did, ''), dst) AS dst, dcontext, dstchannel,
    try_strptime("start", {quoted(layout.time_format)}) AS started_at,
    try_cast(duration AS INTEGER) AS duration_s,
    try_cast(billsec AS INTEGER) AS talk_s,
    upper(disposition) AS disposition, uniqueid,
    coalesce(nullif(linkedid, ''), uniqueid) AS linkedid,
    {_kind_of_whole(columns, layout)} AS kind
FROM named JOIN log_whole USING (number)
UNION ALL BY NAME
SELECT number, line, {_kind_of_broken(columns, layout)} AS kind
FROM (SELECT number, line, {_pieces(layout)} AS f FROM log_whole WHERE NOT whole)"""


def _pieces(layout: CdrLayout) -> str:
    """SQL: the fields of a line whose quotes may be broken, without their quotes."""
    mark = re.escape(layout.delimiter)
    pattern = quoted(f'{mark}(?:"(?:[^"]|"")*"|[^"{mark}]*)')
    trim = quoted(layout.delimiter + '"')
    cut = f"regexp_extract_all({quoted(layout.delimiter)} || line, {pattern})"
    return f"list_transform({cut}, lambda t: trim(t, {trim}))"


def _kind_of_whole(columns: Columns, layout: CdrLayout) -> str:
    ids, time = quoted(layout.id_pattern), layout.time_format
    dates = [is_moment('"start"', time)]
    if columns.place("end") is not None:
        dates.append(is_moment('"end"', time))
    if columns.place("answer") is not None:
        dates.append(f"(answer = '' OR {is_moment('answer', time)})")
    values = [
        "regexp_full_match(duration, '[0-9]{1,9}')",
        f"upper(disposition) IN ({listed(DISPOSITIONS)})",
        f"regexp_full_match(uniqueid, {ids})",
    ]
    if columns.place("billsec") is not None:
        values.append("regexp_full_match(billsec, '[0-9]{1,9}')")
    if columns.place("linkedid") is not None:
        values.append(f"regexp_full_match(linkedid, {ids})")
    titles = listed(_titles(columns))
    return f"""CASE
        WHEN {" AND ".join([*dates, *values])} THEN NULL
        WHEN lower(src) IN ({titles}) AND lower("start") IN ({titles}) THEN 'header'
        WHEN NOT ({" AND ".join(dates)}) THEN 'bad_date'
        ELSE 'bad_value'
    END"""


def _titles(columns: Columns) -> tuple[str, ...]:
    return tuple(sorted({*columns.titles, *TITLES}))


def _kind_of_broken(columns: Columns, layout: CdrLayout) -> str:
    """Why a line that is not whole is rejected, in this order.

    Too few columns are a cut line, unless a disposition stands out of its place or the line ends
    with an id although it was not cut right behind one: then columns are missing in between.
    """
    states = listed(DISPOSITIONS)
    found = f"len(list_filter(f, lambda t: upper(t) IN ({states}))) > 0"
    at_home = f"coalesce(upper(f[{columns.place('disposition')}]) IN ({states}), false)"
    ended = f"regexp_full_match(f[-1], {quoted(layout.id_pattern)})"
    return f"""CASE
        WHEN {BINARY} THEN 'binary'
        WHEN len(list_filter(f, lambda t: lower(t) IN ({listed(_titles(columns))}))) >= 3
            THEN 'header'
        WHEN length(replace(line, '"', '')) % 2 <> length(line) % 2 THEN 'truncated'
        WHEN len(f) > {columns.width} THEN 'wrong_columns'
        WHEN {found} AND NOT {at_home} OR {ended} AND len(f) <> {columns.place("uniqueid")}
            THEN 'wrong_columns'
        ELSE 'truncated'
    END"""


def queue_log_sql() -> str:
    """Queue events: kind, and of valid lines the moment, ids and counts."""
    known = listed((*EVENT_PARAMETERS, *OTHER_EVENTS))
    least = " ".join(f"WHEN '{name}' THEN {n}" for name, n in EVENT_PARAMETERS.items())
    digits = "'[0-9]{1,9}'"
    return f"""
WITH split AS (
    SELECT number, line, {BINARY} AS is_binary, string_split(line, '|') AS f FROM log_lines
), named AS (
    SELECT *, f[1] AS epoch, f[2] AS callid, f[5] AS event, len(f) - 5 AS n,
        CASE f[5] {least} ELSE 0 END AS least
    FROM split
), counted AS (
    SELECT *,
        CASE WHEN event IN ('BLINDTRANSFER', 'ATTENDEDTRANSFER') THEN f[-3:]
            WHEN event IN ('ABANDON', 'EXITWITHTIMEOUT', 'EXITEMPTY', 'COMPLETEAGENT',
                'COMPLETECALLER') THEN f[6:8]
            WHEN event = 'CONNECT' THEN [f[6], f[8]]
            WHEN event = 'ENTERQUEUE' THEN [f[8]]
            WHEN event = 'RINGNOANSWER' THEN [f[6]]
            ELSE [] END AS counts
    FROM named
)
SELECT number, line, epoch, callid, f[3] AS queue, f[4] AS agent, event, counts,
    CASE WHEN event IN ('CONNECT', 'BLINDTRANSFER', 'ATTENDEDTRANSFER', 'COMPLETEAGENT',
            'COMPLETECALLER') THEN try_cast(counts[1] AS INTEGER)
        WHEN event IN ('ABANDON', 'EXITWITHTIMEOUT', 'EXITEMPTY')
            THEN try_cast(counts[3] AS INTEGER) END AS wait_s,
    CASE WHEN event IN ('COMPLETEAGENT', 'COMPLETECALLER', 'BLINDTRANSFER', 'ATTENDEDTRANSFER')
        THEN try_cast(counts[2] AS INTEGER) END AS talk_s,
    CASE WHEN event = 'RINGNOANSWER' THEN try_cast(counts[1] AS BIGINT) END AS ring_ms,
    CASE
        WHEN n >= greatest(1, least) AND NOT is_binary AND event IN ({known})
            AND regexp_full_match(epoch, '[0-9]{{10}}')
            AND len(list_filter(counts, lambda c: NOT regexp_full_match(c, {digits}))) = 0
            THEN NULL
        WHEN is_binary THEN 'binary'
        WHEN list_has_any(f, ['callid', 'EVENT']) THEN 'header'
        WHEN event IS NULL OR event NOT IN ({known}) THEN
            CASE WHEN list_has_any(f, [{known}]) THEN 'wrong_columns'
                WHEN len(f) < 6 THEN 'truncated' ELSE 'unknown_event' END
        WHEN n < 1 OR n < least THEN 'truncated'
        WHEN NOT regexp_full_match(epoch, '[0-9]{{10}}') THEN 'bad_date'
        ELSE 'bad_value'
    END AS kind
FROM counted"""
