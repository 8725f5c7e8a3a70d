# ruff: noqa: S608 - the names put into SQL are constants of this package
"""Contacts out of legs and events: what an attempt was, how it ended, which recording is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.ingest import AccessOptions, QueuePlan

if TYPE_CHECKING:
    import duckdb

#: ids derived in one statement: bounds the memory of the sorts
_AT_ONCE = 1_000_000
#: s around a call within which a recording of the same number is of it
LINK_TOLERANCE = 60

Rows = list[tuple[object, ...]]


def store_plan(
    connection: duckdb.DuckDBPyConnection, plan: QueuePlan | None, options: AccessOptions | None
) -> bool:
    """Store limits and queues, each unless None; True when the queues changed."""
    if options is not None:
        connection.execute(
            "UPDATE access_option SET threshold_s = ?, short_abandon_s = ?, coverage_target = ?, "
            "dead_attempts = ?",
            [options.threshold, options.short_abandon, options.coverage_target,
             options.dead_attempts],
        )  # fmt: skip
    if plan is None:
        return False
    connection.execute("UPDATE access_option SET period_end_local = ?", [plan.period_end])
    changed = False
    for table, rows in _plan_rows(plan).items():
        stored = connection.execute(f"FROM {table}").fetchall()
        if sorted(stored, key=repr) != sorted(rows, key=repr):
            changed = True
            connection.execute(f"DELETE FROM {table}")
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    return changed


def _plan_rows(plan: QueuePlan) -> dict[str, Rows]:
    queues, dids = plan.queues, [(d, q.queue, q.name) for q in plan.queues for d in q.dids]
    every = [*dids, *((did, None, what) for did, what in plan.other_dids)]
    return {
        "queue": [(q.queue, q.name, place) for place, q in enumerate(queues)],
        "queue_did": [(*row, place) for place, row in enumerate(every)],
        "queue_hours": [(q.queue, t.weekday, t.start, t.end) for q in queues for t in q.hours],
        "queue_closed": [(q.queue, day) for q in queues for day in sorted(set(q.closed))],
    }


def derive(connection: duckdb.DuckDBPyConnection, run_id: str, *, everything: bool) -> None:
    """Write the contacts of the ids in log_touched anew, or of all ids.

    docs/access.md defines what an attempt is and when it is answered.
    """
    if everything:
        connection.execute(
            "INSERT INTO log_touched SELECT DISTINCT uniqueid FROM contact_leg "
            "UNION SELECT DISTINCT contact_id FROM contact_event"
        )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE log_touched AS SELECT DISTINCT contact_id FROM log_touched "
        "WHERE contact_id NOT IN ('NONE', 'MANAGER', '')"
    )
    (count,) = connection.execute("SELECT count(*) FROM log_touched").fetchone() or (0,)
    parts = -(-int(count) // _AT_ONCE)
    for part in range(parts):
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE log_part AS SELECT contact_id FROM log_touched "
            f"WHERE hash(contact_id) % {parts} = {part}"
        )
        connection.execute(
            "DELETE FROM contact WHERE contact_id IN (SELECT contact_id FROM log_part)"
        )
        connection.execute(_CONTACTS, {"run_id": run_id})
    connection.execute("DROP TABLE IF EXISTS temp.log_part")


#: The line of an id that counts: of an attempt before others, then the earliest; a rung member's
#: line of the same second ends sooner. A described number is found in any notation.
_CONTACTS = """
INSERT INTO contact BY NAME
WITH described AS (
    SELECT dialled.dst, queue_did.did, queue_did.queue AS did_queue
    FROM (SELECT DISTINCT dst FROM contact_leg WHERE direction = 'inbound') AS dialled
    JOIN queue_did
        ON coalesce(phone_number(dialled.dst), dialled.dst) = coalesce(phone_number(did), did)
), ranked AS (
    SELECT contact_leg.uniqueid, line_key,
        direction = 'inbound' AND described.did IS NOT NULL AS attempt,
        row_number() OVER (
            PARTITION BY contact_leg.uniqueid
            ORDER BY attempt DESC, started_at_utc, ended_at_utc DESC, line_key) AS rank
    FROM contact_leg
    SEMI JOIN log_part ON log_part.contact_id = contact_leg.uniqueid
    LEFT JOIN described ON described.dst = contact_leg.dst
), leg AS (
    SELECT contact_leg.*, attempt,
        CASE WHEN attempt THEN did END AS did, CASE WHEN attempt THEN did_queue END AS did_queue
    FROM contact_leg
    JOIN ranked ON ranked.line_key = contact_leg.line_key AND rank = 1
    LEFT JOIN described ON described.dst = contact_leg.dst
), stay AS (
    SELECT
        contact_id, queue,
        min(at_utc) AS entered_utc,
        min(place) AS place,
        bool_or(event IN ('ENTERQUEUE', 'JOINEMPTY')) AS entered,
        bool_or(event = 'CONNECT') AS connected,
        bool_or(event = 'ABANDON') AS abandoned,
        min(wait_s) FILTER (
            event IN ('CONNECT', 'ABANDON', 'EXITWITHTIMEOUT', 'EXITEMPTY')) AS wait_s,
        sum(talk_s)::INTEGER AS talk_s,
        min(agent_id) FILTER (event = 'CONNECT') AS agent_id
    FROM contact_event SEMI JOIN log_part USING (contact_id)
    GROUP BY contact_id, queue
), first_stay AS (
    SELECT * FROM stay WHERE entered
    QUALIFY row_number() OVER (PARTITION BY contact_id ORDER BY entered_utc, place, queue) = 1
), seen AS (
    SELECT DISTINCT contact_id FROM stay
), hours AS (
    SELECT queue, weekday, list({'start_s': start_s, 'end_s': end_s}) AS times
    FROM queue_hours GROUP BY ALL
), open AS (
    SELECT
        leg.uniqueid,
        queue_closed.queue IS NULL AND len(list_filter(coalesce(times, []), lambda t:
            t.start_s <= second_of_day AND second_of_day < t.end_s)) > 0 AS is_open
    FROM (
        SELECT uniqueid, did_queue, started_at_local,
            hour(started_at_local) * 3600 + minute(started_at_local) * 60
                + second(started_at_local) AS second_of_day
        FROM leg WHERE attempt AND did_queue IS NOT NULL
    ) AS leg
    LEFT JOIN hours ON hours.queue = did_queue AND weekday = isodow(started_at_local) - 1
    LEFT JOIN queue_closed
        ON queue_closed.queue = did_queue AND closed_on = started_at_local::DATE
)
SELECT
    leg.uniqueid AS contact_id, 'cdr' AS source, leg.uniqueid, linkedid, NULL AS call_id,
    CASE WHEN leg.direction = 'outbound' THEN called_key ELSE caller_key END AS caller_key,
    CASE WHEN leg.direction = 'inbound' THEN coalesce(did, dst) END AS did,
    first_stay.queue, extension, first_stay.agent_id, leg.direction,
    started_at_utc, started_at_local, ended_at_utc, sequence,
    first_stay.wait_s, coalesce(first_stay.talk_s, leg.talk_s) AS talk_s, disposition,
    leg.attempt, did_queue,
    NOT is_open AS out_of_hours,
    seen.contact_id IS NOT NULL AS in_queue,
    CASE WHEN NOT leg.attempt THEN NULL
        WHEN did_queue IS NULL THEN disposition = 'ANSWERED'
        ELSE coalesce(own.connected, false) END AS answered,
    CASE WHEN leg.attempt AND did_queue IS NOT NULL
        THEN coalesce(own.abandoned, false) END AS abandoned,
    $run_id AS run_id
FROM leg
LEFT JOIN open ON open.uniqueid = leg.uniqueid
LEFT JOIN stay AS own ON own.contact_id = leg.uniqueid AND own.queue = did_queue
LEFT JOIN first_stay ON first_stay.contact_id = leg.uniqueid
LEFT JOIN seen ON seen.contact_id = leg.uniqueid
UNION ALL BY NAME
SELECT
    contact_id, 'queue_log' AS source, contact_id AS uniqueid, queue, agent_id,
    entered_utc AS started_at_utc, wait_s, talk_s, false AS attempt, true AS in_queue,
    $run_id AS run_id
FROM first_stay
ANTI JOIN contact_leg ON contact_leg.uniqueid = first_stay.contact_id
"""


def link(connection: duckdb.DuckDBPyConnection) -> None:
    """Say of each contact which recording is of it.

    By unique id, else by the id of the whole call, else the recording of the same number that
    starts during the call, within LINK_TOLERANCE s; the nearest counts.
    """
    connection.execute(f"""
CREATE OR REPLACE TEMP TABLE log_link AS
WITH by_id AS (
    SELECT contact_id, call.call_id, call.started_at_utc, 1 AS rank
    FROM contact JOIN call ON call.uniqueid = contact.contact_id
    UNION ALL
    SELECT contact_id, call.call_id, call.started_at_utc, 2
    FROM contact JOIN call ON call.linkedid = contact.contact_id
), by_number AS (
    SELECT contact_id, call.call_id, call.started_at_utc, 3 AS rank
    FROM call JOIN contact ON contact.caller_key = call.caller_key
        AND call.started_at_utc BETWEEN
            contact.started_at_utc - INTERVAL {LINK_TOLERANCE} SECOND
            AND contact.ended_at_utc + INTERVAL {LINK_TOLERANCE} SECOND
    ANTI JOIN by_id ON by_id.call_id = call.call_id
    QUALIFY row_number() OVER (PARTITION BY call.call_id ORDER BY
        abs(epoch(call.started_at_utc) - epoch(contact.started_at_utc)), contact_id) = 1
)
SELECT contact_id, call_id FROM (FROM by_id UNION ALL FROM by_number)
QUALIFY row_number() OVER (PARTITION BY contact_id ORDER BY rank, started_at_utc, call_id) = 1""")
    connection.execute(
        "UPDATE contact SET call_id = NULL WHERE call_id IS NOT NULL "
        "AND contact_id NOT IN (SELECT contact_id FROM log_link)"
    )
    connection.execute(
        "UPDATE contact SET call_id = log_link.call_id FROM log_link "
        "WHERE log_link.contact_id = contact.contact_id "
        "AND contact.call_id IS DISTINCT FROM log_link.call_id"
    )
    connection.execute("DROP TABLE temp.log_link")
