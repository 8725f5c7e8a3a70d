-- Replaced as a whole whenever this file changes. The columns and their order are public.

-- Student's t quantile, 97.5 %, by the Cornish-Fisher series (Abramowitz & Stegun 26.7.5);
-- within 0.3 % of the exact value from 4 degrees of freedom on.
CREATE OR REPLACE MACRO t95(df) AS
    1.959963984540054 + 2.372271230298563 / df + 2.822498615739611 / df ** 2 + 2.555849679507722 / df ** 3;

-- 95 % interval of a mean score, cut to 0..100; NULL below 10 values, where it would promise
-- too much. (greatest and least skip NULL, hence the CASE.)
CREATE OR REPLACE MACRO score_low(mean, sd, n) AS
    CASE WHEN n >= 10 THEN greatest(0, mean - t95(n - 1) * sd / sqrt(n)) END;
CREATE OR REPLACE MACRO score_high(mean, sd, n) AS
    CASE WHEN n >= 10 THEN least(100, mean + t95(n - 1) * sd / sqrt(n)) END;

-- Wilson score interval of a share k / n, 95 %; NULL when n is 0.
CREATE OR REPLACE MACRO wilson_low(k, n) AS
    CASE WHEN n > 0 THEN greatest(0, (k / n + 1.920729410347062 / n
        - 1.959963984540054 * sqrt(k / n * (1 - k / n) / n + 0.960364705173531 / n ** 2)) / (1 + 3.841458820694124 / n)) END;
CREATE OR REPLACE MACRO wilson_high(k, n) AS
    CASE WHEN n > 0 THEN least(1, (k / n + 1.920729410347062 / n
        + 1.959963984540054 * sqrt(k / n * (1 - k / n) / n + 0.960364705173531 / n ** 2)) / (1 + 3.841458820694124 / n)) END;

CREATE OR REPLACE VIEW v_call AS
WITH label_of AS (
    SELECT
        call_id,
        max(value) FILTER (name = 'call_type') AS call_type,
        max(value) FILTER (name = 'topic') AS topic,
        max(value) FILTER (name = 'outcome') AS outcome,
        max(value) FILTER (name = 'repeat_contact') = 'true' AS repeat_contact,
        max(value) FILTER (name = 'unreachable_complaint') = 'true' AS unreachable_complaint,
        max(value) FILTER (name = 'caller_upset') = 'true' AS caller_upset
    FROM label GROUP BY call_id
), score_of AS (
    SELECT
        call_id,
        max(score) FILTER (dimension = 'consultation_quality') AS consultation_quality,
        max(score) FILTER (dimension = 'operator_competence') AS operator_competence,
        sum(possible) / nullif(sum(possible) + sum(unknown), 0) AS coverage,
        sum(critical)::INTEGER AS critical_errors
    FROM scorecard GROUP BY call_id
), metric_of AS (
    SELECT
        call_id,
        max(value) FILTER (name = 'talk_share_operator') AS talk_share_operator,
        max(value) FILTER (name = 'silence_share') AS silence_share,
        max(value) FILTER (name = 'longest_silence') AS longest_silence,
        max(value) FILTER (name = 'overlap_share') AS overlap_share,
        max(value) FILTER (name = 'hold_seconds') AS hold_seconds,
        max(value) FILTER (name = 'interruptions_operator')::INTEGER AS interruptions_operator,
        max(value) FILTER (name = 'words_per_minute_operator') AS words_per_minute_operator,
        max(value) FILTER (name = 'asr_confidence') AS asr_confidence,
        max(value) FILTER (name = 'role_confidence') AS role_confidence
    FROM metric GROUP BY call_id
), spoken AS (
    SELECT call_id, language, sum(end_s - start_s) AS seconds
    FROM turn WHERE language IS NOT NULL AND role <> 'ivr' GROUP BY call_id, language
), language_of AS (
    SELECT
        call_id,
        arg_max(language, (seconds, language)) AS language,
        coalesce(sum(seconds) FILTER (language = 'kk'), 0) / nullif(sum(seconds), 0)
            AS language_share_kk
    FROM spoken GROUP BY call_id
)
SELECT
    call.call_id,
    call.path AS file,
    call.started_at_local AS started_at,
    call.duration_s AS duration,
    call.channels,
    call.queue,
    call.agent_id,
    call.agent_name,
    call.caller_key,
    call.direction,
    language_of.language,
    language_of.language_share_kk,
    call.status,
    call.status_reason,
    label_of.call_type,
    label_of.topic,
    label_of.outcome,
    label_of.repeat_contact,
    label_of.unreachable_complaint,
    label_of.caller_upset,
    score_of.consultation_quality,
    score_of.operator_competence,
    score_of.coverage,
    score_of.critical_errors,
    metric_of.talk_share_operator,
    metric_of.silence_share,
    metric_of.longest_silence,
    metric_of.overlap_share,
    metric_of.hold_seconds,
    metric_of.interruptions_operator,
    metric_of.words_per_minute_operator,
    metric_of.asr_confidence,
    metric_of.role_confidence
FROM call
LEFT JOIN label_of USING (call_id)
LEFT JOIN score_of USING (call_id)
LEFT JOIN metric_of USING (call_id)
LEFT JOIN language_of USING (call_id);

CREATE OR REPLACE VIEW v_turn AS
SELECT
    turn.call_id,
    call.path AS file,
    turn.turn_index,
    turn.role,
    turn.speaker,
    turn.channel,
    turn.start_s,
    turn.end_s,
    turn.text,
    turn.language,
    turn.overlapped,
    turn.asr_confidence
FROM turn JOIN call USING (call_id);

CREATE OR REPLACE VIEW v_answer AS
SELECT
    answer.call_id,
    call.path AS file,
    answer.card_id,
    answer.card_version,
    answer.criterion_id,
    criterion.dimension,
    criterion.class,
    answer.value,
    answer.probability,
    answer.turn_indexes,
    answer.quote,
    answer.quote_start_s,
    answer.reason,
    answer.method
FROM answer
JOIN call USING (call_id)
LEFT JOIN criterion
    ON criterion.card_id = answer.card_id
    AND criterion.card_version = answer.card_version
    AND criterion.criterion_id = answer.criterion_id;

CREATE OR REPLACE VIEW v_redirect AS
SELECT
    redirect.call_id,
    call.path AS file,
    redirect.turn_index,
    redirect.kind,
    redirect.to_agency,
    redirect.to_number,
    redirect.reason_given,
    redirect.justified
FROM redirect JOIN call USING (call_id);

CREATE OR REPLACE VIEW v_promise AS
SELECT
    promise.call_id,
    call.path AS file,
    promise.turn_index,
    promise.what,
    promise.due_text,
    promise.due_date,
    promise.status,
    promise.kept_at_local AS kept_at
FROM promise JOIN call USING (call_id);

CREATE OR REPLACE VIEW v_operator AS
WITH evaluated AS (
    SELECT v_call.*, points.possible, points.unknown
    FROM v_call
    LEFT JOIN (
        SELECT call_id, sum(possible) AS possible, sum(unknown) AS unknown
        FROM scorecard GROUP BY call_id
    ) AS points USING (call_id)
    WHERE agent_id IS NOT NULL AND status IN ('done', 'partial')
), pooled AS (
    SELECT
        agent_id,
        max(agent_name) AS agent_name,
        count(*) AS n,
        count(consultation_quality) AS quality_n,
        avg(consultation_quality) AS quality,
        stddev_samp(consultation_quality) AS quality_sd,
        count(operator_competence) AS competence_n,
        avg(operator_competence) AS competence,
        stddev_samp(operator_competence) AS competence_sd,
        count(*) FILTER (possible > 0) AS critical_n,
        count(*) FILTER (possible > 0 AND critical_errors = 0) AS critical_free,
        sum(possible) / nullif(sum(possible) + sum(unknown), 0) AS coverage
    FROM evaluated GROUP BY agent_id
)
SELECT
    agent_id,
    agent_name,
    n,
    quality_n AS consultation_quality_n,
    quality AS consultation_quality,
    score_low(quality, quality_sd, quality_n) AS consultation_quality_low,
    score_high(quality, quality_sd, quality_n) AS consultation_quality_high,
    competence_n AS operator_competence_n,
    competence AS operator_competence,
    score_low(competence, competence_sd, competence_n) AS operator_competence_low,
    score_high(competence, competence_sd, competence_n) AS operator_competence_high,
    critical_n AS critical_free_n,
    critical_free / nullif(critical_n, 0) AS critical_free_share,
    wilson_low(critical_free, critical_n) AS critical_free_low,
    wilson_high(critical_free, critical_n) AS critical_free_high,
    coverage
FROM pooled;

CREATE OR REPLACE VIEW v_topic AS
WITH evaluated AS (
    SELECT
        v_call.*,
        EXISTS (
            SELECT 1 FROM redirect
            WHERE redirect.call_id = v_call.call_id AND redirect.kind IN ('cold', 'verbal_number')
        ) AS sent_away
    FROM v_call WHERE status IN ('done', 'partial')
), pooled AS (
    SELECT
        topic,
        count(*) AS n,
        sum(count(*)) OVER () AS n_all,
        count(*) FILTER (sent_away) AS sent_away_n,
        count(outcome) AS outcome_n,
        count(*) FILTER (outcome IN ('unresolved', 'disconnected')) AS unresolved_n,
        count(consultation_quality) AS quality_n,
        avg(consultation_quality) AS quality,
        stddev_samp(consultation_quality) AS quality_sd
    FROM evaluated GROUP BY topic
)
SELECT
    topic,
    n,
    n / n_all AS share,
    wilson_low(n, n_all) AS share_low,
    wilson_high(n, n_all) AS share_high,
    sent_away_n / n AS cold_redirect_share,
    wilson_low(sent_away_n, n) AS cold_redirect_low,
    wilson_high(sent_away_n, n) AS cold_redirect_high,
    outcome_n,
    unresolved_n / nullif(outcome_n, 0) AS unresolved_share,
    wilson_low(unresolved_n, outcome_n) AS unresolved_low,
    wilson_high(unresolved_n, outcome_n) AS unresolved_high,
    quality_n AS consultation_quality_n,
    quality AS consultation_quality,
    score_low(quality, quality_sd, quality_n) AS consultation_quality_low,
    score_high(quality, quality_sd, quality_n) AS consultation_quality_high
FROM pooled;

CREATE OR REPLACE VIEW v_outcome AS
WITH pooled AS (
    SELECT
        outcome,
        count(*) AS n,
        sum(count(*)) OVER () AS n_all,
        count(consultation_quality) AS quality_n,
        avg(consultation_quality) AS quality,
        stddev_samp(consultation_quality) AS quality_sd
    FROM v_call WHERE status IN ('done', 'partial') GROUP BY outcome
)
SELECT
    outcome,
    n,
    n / n_all AS share,
    wilson_low(n, n_all) AS share_low,
    wilson_high(n, n_all) AS share_high,
    quality_n AS consultation_quality_n,
    quality AS consultation_quality,
    score_low(quality, quality_sd, quality_n) AS consultation_quality_low,
    score_high(quality, quality_sd, quality_n) AS consultation_quality_high
FROM pooled;
