-- Access figures from telephone logs; replaced as a whole whenever this file changes. Columns and
-- their order are public. docs/access.md gives every definition and formula.

-- HH:MM of a second of the day, up to 24:00.
CREATE OR REPLACE MACRO clock(second) AS
    lpad((second // 3600)::VARCHAR, 2, '0') || ':' || lpad((second % 3600 // 60)::VARCHAR, 2, '0');

-- One row per attempt: a distinct unique id among the original inbound legs to a described number.
CREATE OR REPLACE VIEW v_contact AS
SELECT
    contact_id,
    did_queue AS queue,
    did,
    caller_key,
    started_at_local AS started_at,
    disposition,
    out_of_hours,
    NOT out_of_hours AND disposition IN ('BUSY', 'CONGESTION') AS busy_congestion,
    NOT out_of_hours AND disposition NOT IN ('BUSY', 'CONGESTION') AND NOT in_queue
        AS hung_up_before_queue,
    in_queue,
    answered,
    abandoned,
    wait_s,
    talk_s,
    agent_id,
    call_id
FROM contact WHERE attempt;

CREATE OR REPLACE VIEW v_access_queue AS
WITH attempt AS (
    SELECT
        coalesce(queue, 'total') AS queue,
        count(*) AS attempts,
        count(*) FILTER (out_of_hours) AS out_of_hours,
        count(*) FILTER (busy_congestion) AS busy_congestion,
        count(*) FILTER (hung_up_before_queue) AS hung_up_before_queue,
        count(*) FILTER (caller_key IS NULL) AS anonymous_attempts
    FROM v_contact WHERE queue IS NOT NULL GROUP BY ROLLUP (queue)
), leg AS (
    SELECT event.queue, event.event, event.wait_s, event.talk_s, own.contact_id IS NOT NULL AS original
    FROM contact_event AS event
    SEMI JOIN queue ON queue.queue = event.queue
    LEFT JOIN (SELECT contact_id, did_queue FROM contact WHERE attempt) AS own
        ON own.contact_id = event.contact_id AND own.did_queue = event.queue
), counted AS (
    SELECT
        coalesce(queue, 'total') AS queue,
        count(*) FILTER (event = 'ENTERQUEUE') AS entered_queue,
        count(*) FILTER (event = 'ENTERQUEUE' AND original) AS entered_queue_original,
        count(*) FILTER (event = 'JOINEMPTY' AND original) AS joinempty_original,
        count(*) FILTER (event IN ('ENTERQUEUE', 'JOINEMPTY') AND NOT original) AS transferred_in,
        count(*) FILTER (event = 'CONNECT') AS answered,
        count(*) FILTER (event = 'CONNECT' AND original) AS answered_original,
        count(*) FILTER (event = 'ABANDON') AS abandoned,
        count(*) FILTER (event = 'ABANDON' AND original) AS abandoned_original,
        count(*) FILTER (event = 'ABANDON' AND wait_s < short_abandon_s) AS short_abandons,
        count(*) FILTER (event = 'EXITWITHTIMEOUT') AS timeouts,
        count(*) FILTER (event = 'EXITEMPTY') AS exitempty,
        count(*) FILTER (event = 'JOINEMPTY') AS joinempty,
        list(wait_s ORDER BY wait_s) FILTER (event = 'CONNECT' AND wait_s IS NOT NULL) AS waits,
        count(*) FILTER (event = 'CONNECT' AND wait_s <= threshold_s) AS answered_within_20,
        count(*) FILTER (event = 'CONNECT' AND original AND wait_s <= threshold_s)
            AS answered_within_20_original,
        count(*) FILTER (event = 'ABANDON' AND wait_s <= threshold_s) AS abandoned_within_20,
        count(*) FILTER (event = 'BLINDTRANSFER') AS blind_transfers,
        count(*) FILTER (event = 'ATTENDEDTRANSFER') AS attended_transfers,
        count(*) FILTER (event = 'COMPLETEAGENT') AS completed_by_agent,
        count(*) FILTER (event = 'COMPLETECALLER') AS completed_by_caller,
        coalesce(sum(talk_s), 0)::BIGINT AS talk_s,
        count(*) FILTER (event = 'RINGNOANSWER') AS ringnoanswer
    FROM leg CROSS JOIN access_option GROUP BY ROLLUP (queue)
), named AS (
    SELECT queue, place FROM queue
    UNION ALL SELECT 'total', NULL WHERE EXISTS (SELECT 1 FROM queue)
), figure AS (
    SELECT *, len(waits) AS n
    FROM named LEFT JOIN attempt USING (queue) LEFT JOIN counted USING (queue)
)
SELECT
    queue,
    coalesce(attempts, 0) AS attempts,
    coalesce(out_of_hours, 0) AS out_of_hours,
    coalesce(busy_congestion, 0) AS busy_congestion,
    coalesce(hung_up_before_queue, 0) AS hung_up_before_queue,
    coalesce(anonymous_attempts, 0) AS anonymous_attempts,
    coalesce(entered_queue, 0) AS entered_queue,
    coalesce(entered_queue_original, 0) AS entered_queue_original,
    coalesce(joinempty_original, 0) AS joinempty_original,
    coalesce(transferred_in, 0) AS transferred_in,
    coalesce(answered, 0) AS answered,
    coalesce(answered_original, 0) AS answered_original,
    coalesce(abandoned, 0) AS abandoned,
    coalesce(abandoned_original, 0) AS abandoned_original,
    coalesce(short_abandons, 0) AS short_abandons,
    coalesce(timeouts, 0) AS timeouts,
    coalesce(exitempty, 0) AS exitempty,
    coalesce(joinempty, 0) AS joinempty,
    waits[(n + 1) // 2] AS wait_answered_median_s,
    waits[(9 * n + 9) // 10] AS wait_answered_p90_s,
    waits[n] AS wait_answered_max_s,
    coalesce(answered_within_20, 0) AS answered_within_20,
    coalesce(abandoned_within_20, 0) AS abandoned_within_20,
    answered_within_20 / nullif(answered, 0) AS service_level_1,
    answered_within_20 / nullif(answered + abandoned, 0) AS service_level_2,
    answered_within_20 / nullif(answered + abandoned - short_abandons, 0) AS service_level_3,
    (answered_within_20 + abandoned_within_20) / nullif(answered + abandoned, 0)
        AS service_level_4,
    coalesce(answered_within_20, 0) / nullif(attempts, 0) AS service_level_5,
    coalesce(answered_within_20_original, 0) / nullif(attempts, 0) AS service_level_5_original,
    coalesce(blind_transfers, 0) AS blind_transfers,
    coalesce(attended_transfers, 0) AS attended_transfers,
    coalesce(completed_by_agent, 0) AS completed_by_agent,
    coalesce(completed_by_caller, 0) AS completed_by_caller,
    coalesce(talk_s, 0) AS talk_s,
    coalesce(ringnoanswer, 0) AS ringnoanswer
FROM figure ORDER BY place NULLS LAST;

CREATE OR REPLACE VIEW v_access_day AS
WITH day AS (
    SELECT DISTINCT started_at::DATE AS date FROM v_contact
), counted AS (
    SELECT
        queue,
        started_at::DATE AS date,
        count(*) AS attempts,
        count(*) FILTER (answered) AS answered,
        count(*) FILTER (abandoned) AS abandoned,
        count(*) FILTER (out_of_hours) AS out_of_hours
    FROM v_contact WHERE queue IS NOT NULL GROUP BY ALL
)
SELECT
    queue.queue,
    day.date,
    coalesce(attempts, 0) AS attempts,
    coalesce(answered, 0) AS answered,
    coalesce(abandoned, 0) AS abandoned,
    coalesce(out_of_hours, 0) AS out_of_hours
FROM queue CROSS JOIN day
LEFT JOIN counted ON counted.queue = queue.queue AND counted.date = day.date
ORDER BY place, day.date;

CREATE OR REPLACE VIEW v_access_half_hour AS
WITH counted AS (
    SELECT
        queue,
        48 * (isodow(started_at) - 1) + 2 * hour(started_at) + minute(started_at) // 30 AS slot,
        count(*) AS attempts,
        count(*) FILTER (answered) AS answered,
        count(*) FILTER (out_of_hours) AS out_of_hours
    FROM v_contact WHERE queue IS NOT NULL GROUP BY ALL
)
SELECT
    queue.queue,
    half_hour::INTEGER AS half_hour_of_week,
    coalesce(attempts, 0) AS attempts,
    coalesce(answered, 0) AS answered,
    coalesce(out_of_hours, 0) AS out_of_hours
FROM queue CROSS JOIN range(336) AS week(half_hour)
LEFT JOIN counted ON counted.queue = queue.queue AND counted.slot = half_hour
ORDER BY place, half_hour;

CREATE OR REPLACE VIEW v_access_did AS
WITH counted AS (
    SELECT did, count(*) AS attempts, count(*) FILTER (answered) AS answered
    FROM v_contact GROUP BY did
)
SELECT
    did,
    queue_did.queue,
    coalesce(attempts, 0) AS attempts,
    coalesce(answered, 0) AS answered,
    coalesce(attempts, 0) >= dead_attempts AND coalesce(answered, 0) = 0 AS dead
FROM queue_did LEFT JOIN counted USING (did) CROSS JOIN access_option
ORDER BY place;

-- A segment opens where an episode opens for certain: at the first attempt, after an answered one,
-- after a day of silence. Inside it the windows of a day follow one another; only segments longer
-- than a day need the recursion, all of them at once.
CREATE OR REPLACE VIEW v_episode AS
WITH RECURSIVE numbered AS (
    SELECT
        did_queue AS queue, caller_key, contact_id, started_at_utc, started_at_local, sequence,
        answered,
        coalesce(lag(answered) OVER chain, true)
            OR started_at_utc >= lag(started_at_utc) OVER chain + INTERVAL 1 DAY AS opens
    FROM contact WHERE attempt AND did_queue IS NOT NULL AND caller_key IS NOT NULL
    WINDOW chain AS (
        PARTITION BY did_queue, caller_key ORDER BY started_at_utc, sequence, contact_id)
), segmented AS (
    SELECT
        *,
        sum(opens::INTEGER) OVER (
            PARTITION BY queue, caller_key ORDER BY started_at_utc, sequence, contact_id
            ROWS UNBOUNDED PRECEDING) AS segment
    FROM numbered
), placed AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY queue, caller_key, segment ORDER BY started_at_utc, sequence, contact_id
        ) AS place
    FROM segmented
), following AS (
    SELECT
        *,
        1 + max(place) OVER (
            PARTITION BY queue, caller_key, segment ORDER BY started_at_utc
            RANGE BETWEEN CURRENT ROW AND INTERVAL '86399.999999 seconds' FOLLOWING) AS next_place,
        bool_or(answered) OVER (PARTITION BY queue, caller_key, segment) AS ends_answered,
        count(*) OVER (PARTITION BY queue, caller_key, segment) AS size
    FROM placed
), longer AS MATERIALIZED (
    SELECT queue, caller_key, segment, started_at_utc, started_at_local, place, next_place,
        ends_answered, size
    FROM following
    QUALIFY min(next_place) OVER (PARTITION BY queue, caller_key, segment) <= size
), opened AS (
    SELECT * FROM longer WHERE place = 1
    UNION ALL
    SELECT longer.*
    FROM opened JOIN longer
        ON longer.queue = opened.queue AND longer.caller_key = opened.caller_key
        AND longer.segment = opened.segment AND longer.place = opened.next_place
), every AS (
    SELECT queue, caller_key, segment, started_at_utc, started_at_local, place, next_place,
        ends_answered, size
    FROM following WHERE place = 1 AND next_place > size
    UNION ALL
    SELECT * FROM opened
)
SELECT
    queue,
    caller_key,
    started_at_local AS started_at,
    next_place > size AND ends_answered AS got_through,
    next_place - place AS tries
FROM every;

CREATE OR REPLACE VIEW v_access_tries AS
SELECT coalesce(queue, 'total') AS queue, got_through, tries, count(*) AS episodes
FROM v_episode
GROUP BY GROUPING SETS ((queue, got_through, tries), (got_through, tries))
ORDER BY ALL;

-- Half-hours that an attempt lies before the opening (side 'early'), after the closing ('late') or in
-- a gap of the day ('gap'), counted for attempts out of hours, Monday to Friday, not closed dates.
CREATE OR REPLACE VIEW v_access_extension AS
WITH span AS (
    SELECT queue, min(start_s) AS open_s, max(end_s) AS close_s
    FROM queue_hours WHERE weekday < 5 GROUP BY queue
), gap AS (
    SELECT queue, max(next_s - end_s) AS gap_s
    FROM (
        SELECT queue_hours.queue, end_s,
            coalesce(lead(start_s) OVER (
                PARTITION BY queue_hours.queue, weekday ORDER BY start_s), close_s) AS next_s
        FROM queue_hours JOIN span USING (queue) WHERE weekday < 5
    ) GROUP BY queue
), missed AS (
    SELECT
        span.queue,
        CASE WHEN second < open_s THEN 'early' WHEN second >= close_s THEN 'late' ELSE 'gap' END
            AS side,
        CASE WHEN second < open_s THEN (open_s - second + 1799) // 1800
            WHEN second >= close_s THEN (second - close_s) // 1800 + 1 ELSE 0 END AS steps,
        count(*) AS attempts
    FROM (
        SELECT queue, started_at,
            hour(started_at) * 3600 + minute(started_at) * 60 + second(started_at) AS second
        FROM v_contact WHERE out_of_hours AND isodow(started_at) <= 5
    ) AS attempt
    JOIN span USING (queue)
    ANTI JOIN queue_closed
        ON queue_closed.queue = attempt.queue AND queue_closed.closed_on = started_at::DATE
    GROUP BY ALL
), weekday_total AS (
    SELECT queue, sum(attempts)::BIGINT AS w FROM missed GROUP BY queue
), candidate AS (
    SELECT queue, open_s, close_s, a, b, dropped, gap_s,
        a + b + CASE WHEN dropped THEN (gap_s + 1799) // 1800 ELSE 0 END AS size
    FROM span JOIN gap USING (queue)
    CROSS JOIN range(49) AS earlier(a) CROSS JOIN range(49) AS later(b)
    CROSS JOIN (VALUES (false), (true)) AS break(dropped)
    WHERE a <= (open_s + 1799) // 1800 AND b <= (86400 - close_s + 1799) // 1800
        AND (NOT dropped OR gap_s > 0)
), judged AS (
    SELECT
        candidate.*,
        coalesce(w, 0) AS w,
        coalesce(sum(attempts) FILTER (
            side = 'early' AND steps <= a OR side = 'late' AND steps <= b
            OR side = 'gap' AND dropped), 0)::BIGINT AS covered
    FROM candidate LEFT JOIN missed USING (queue) LEFT JOIN weekday_total USING (queue)
    GROUP BY ALL
), chosen AS (
    SELECT judged.* FROM judged CROSS JOIN access_option
    WHERE covered >= coverage_target * w
    QUALIFY row_number() OVER (PARTITION BY queue ORDER BY size, a DESC, dropped DESC, b) = 1
)
SELECT
    queue,
    clock(greatest(0, open_s - 1800 * a)) AS open,
    clock(least(86400, close_s + 1800 * b)) AS close,
    dropped AS break_dropped,
    size AS added_half_hours,
    covered,
    w AS out_of_hours_weekday,
    covered / nullif(w, 0) AS share
FROM queue JOIN chosen USING (queue) ORDER BY place;

-- Missed attempts open, outbound calls to the same number close the latest open one: brackets.
-- What a day-old bracket would close is out of time for good, so the time limit may come last.
CREATE OR REPLACE VIEW v_missed AS
WITH happened AS (
    SELECT
        caller_key AS number_key, started_at_utc AS at_utc, started_at_local AS at_local, sequence,
        contact_id AS id, 1 AS step, did_queue AS queue,
        CASE WHEN out_of_hours THEN 'out_of_hours' ELSE 'abandoned' END AS kind,
        NULL::BOOLEAN AS answered
    FROM contact
    WHERE attempt AND did_queue IS NOT NULL AND caller_key IS NOT NULL
        AND (out_of_hours OR abandoned)
    UNION ALL
    SELECT called_key, started_at_utc, started_at_local, sequence, uniqueid, -1, NULL, NULL,
        disposition = 'ANSWERED'
    FROM contact_leg WHERE direction = 'outbound'
), balanced AS (
    SELECT *, sum(step) OVER line AS balance FROM happened
    WINDOW line AS (PARTITION BY number_key ORDER BY at_utc, step, sequence, id
        ROWS UNBOUNDED PRECEDING)
), deep AS (
    SELECT *, balance - least(0, min(balance) OVER line) AS depth FROM balanced
    WINDOW line AS (PARTITION BY number_key ORDER BY at_utc, step, sequence, id
        ROWS UNBOUNDED PRECEDING)
), levelled AS (
    SELECT *,
        CASE WHEN step = 1 THEN depth
            WHEN coalesce(lag(depth) OVER line, 0) > 0 THEN depth + 1 END AS level
    FROM deep
    WINDOW line AS (PARTITION BY number_key ORDER BY at_utc, step, sequence, id)
), paired AS (
    SELECT *,
        lead(step) OVER bracket AS next_step,
        lead(at_utc) OVER bracket AS next_utc,
        lead(at_local) OVER bracket AS next_local,
        lead(answered) OVER bracket AS next_answered
    FROM levelled WHERE level IS NOT NULL
    WINDOW bracket AS (PARTITION BY number_key, level ORDER BY at_utc, step, sequence, id)
)
SELECT
    queue,
    kind AS missed_kind,
    at_local AS missed_at,
    CASE WHEN in_time THEN next_local END AS called_back_at,
    CASE WHEN in_time THEN next_answered END AS answered,
    number_key AS caller_key
FROM (
    SELECT *, coalesce(next_step = -1 AND next_utc <= at_utc + INTERVAL 2 DAY, false) AS in_time
    FROM paired WHERE step = 1
);

CREATE OR REPLACE VIEW v_callback AS
SELECT queue, missed_kind, missed_at, called_back_at, answered
FROM v_missed WHERE called_back_at IS NOT NULL;

CREATE OR REPLACE VIEW v_access_more AS
WITH leg AS (
    SELECT
        coalesce(event.queue, 'total') AS queue,
        coalesce(sum(talk_s) FILTER (event LIKE 'COMPLETE%'), 0)::BIGINT AS talk_completed_s,
        coalesce(sum(talk_s) FILTER (event LIKE '%TRANSFER'), 0)::BIGINT AS talk_transferred_s,
        coalesce(sum(ring_ms), 0)::BIGINT AS ringnoanswer_ring_ms
    FROM contact_event AS event SEMI JOIN queue ON queue.queue = event.queue
    GROUP BY ROLLUP (event.queue)
), period AS (
    SELECT coalesce(
        any_value(period_end_local),
        (SELECT max(started_at) FROM v_contact)) AS ends
    FROM access_option
), episode AS (
    SELECT
        coalesce(queue, 'total') AS queue,
        count(*) AS episodes,
        count(*) FILTER (got_through) AS got_through,
        count(*) FILTER (NOT got_through) AS never_got_through,
        count(*) FILTER (NOT got_through AND started_at + INTERVAL 1 DAY > ends)
            AS never_censored
    FROM v_episode CROSS JOIN period GROUP BY ROLLUP (queue)
), missed AS (
    SELECT
        coalesce(queue, 'total') AS queue,
        count(*) AS missed_with_number,
        count(called_back_at) AS callbacks,
        count(*) FILTER (answered) AS callbacks_answered
    FROM v_missed GROUP BY ROLLUP (queue)
)
SELECT
    figure.queue,
    threshold_s,
    short_abandon_s,
    coverage_target::DOUBLE AS coverage_target,
    coalesce(talk_completed_s, 0) AS talk_completed_s,
    coalesce(talk_transferred_s, 0) AS talk_transferred_s,
    coalesce(ringnoanswer_ring_ms, 0) AS ringnoanswer_ring_ms,
    coalesce(episodes, 0) AS episodes,
    coalesce(got_through, 0) AS got_through,
    coalesce(never_got_through, 0) AS never_got_through,
    never_got_through / nullif(episodes, 0) AS share_never,
    coalesce(never_censored, 0) AS never_censored,
    coalesce(missed_with_number, 0) AS missed_with_number,
    coalesce(callbacks, 0) AS callbacks,
    coalesce(callbacks_answered, 0) AS callbacks_answered
FROM v_access_queue AS figure
LEFT JOIN leg USING (queue) LEFT JOIN episode USING (queue) LEFT JOIN missed USING (queue)
CROSS JOIN access_option;

CREATE OR REPLACE VIEW v_log_quality AS
SELECT file, total_lines, accepted_lines, rejected_lines, duplicate_lines FROM log_file;

CREATE OR REPLACE VIEW v_log_rejection AS
SELECT file, log_rejection.kind, lines, sample_lines, sample_shapes
FROM log_rejection JOIN log_file USING (sha256);
