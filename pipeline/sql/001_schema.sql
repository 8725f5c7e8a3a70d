-- Times of day: *_utc is UTC, *_local is the wall clock of run.time_zone; both without zone,
-- so that no client needs a zone library. Offsets within a recording are seconds, *_s.
-- `place` keeps the order in which the pipeline produced the rows of a call. `commit_number` grows
-- with the order of storage, so that the rows of one call are found without reading all others.

CREATE TABLE run (
    run_id VARCHAR NOT NULL,
    started_at_utc TIMESTAMP NOT NULL,
    finished_at_utc TIMESTAMP,
    status VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    git_commit VARCHAR,
    config_toml VARCHAR NOT NULL,
    machine VARCHAR NOT NULL,
    command VARCHAR NOT NULL,
    time_zone VARCHAR NOT NULL
);
CREATE TABLE run_model (
    run_id VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL
);
CREATE TABLE card (
    card_id VARCHAR NOT NULL,
    card_version VARCHAR NOT NULL,
    title_ru VARCHAR NOT NULL,
    title_kk VARCHAR NOT NULL,
    title_en VARCHAR NOT NULL
);
CREATE TABLE criterion (
    card_id VARCHAR NOT NULL,
    card_version VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    criterion_id VARCHAR NOT NULL,
    dimension VARCHAR NOT NULL,
    class VARCHAR NOT NULL,
    weight DOUBLE NOT NULL,
    text_ru VARCHAR NOT NULL,
    text_kk VARCHAR NOT NULL,
    text_en VARCHAR NOT NULL
);
CREATE TABLE call (
    call_id VARCHAR PRIMARY KEY,
    path VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    started_at_utc TIMESTAMP,
    started_at_local TIMESTAMP,
    started_at_source VARCHAR,
    duration_s DOUBLE,
    channels INTEGER,
    codec VARCHAR,
    queue VARCHAR,
    did VARCHAR,
    agent_id VARCHAR,
    agent_name VARCHAR,
    caller_key VARCHAR,
    direction VARCHAR,
    uniqueid VARCHAR,
    linkedid VARCHAR,
    operator_channel INTEGER,
    status VARCHAR NOT NULL,
    status_reason VARCHAR,
    engine VARCHAR,
    card_id VARCHAR,
    card_version VARCHAR,
    minimum_coverage DOUBLE NOT NULL,
    run_id VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE call_path (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    path VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE audio_quality (
    call_id VARCHAR NOT NULL,
    layout VARCHAR NOT NULL,
    level_dbfs DOUBLE[] NOT NULL,
    snr_db DOUBLE[] NOT NULL,
    clipping_share DOUBLE[] NOT NULL,
    bandwidth_hz DOUBLE[] NOT NULL,
    correlation DOUBLE,
    commit_number BIGINT NOT NULL
);
CREATE TABLE turn (
    call_id VARCHAR NOT NULL,
    turn_index INTEGER NOT NULL,
    start_s DOUBLE NOT NULL,
    end_s DOUBLE NOT NULL,
    speaker VARCHAR NOT NULL,
    channel INTEGER,
    role VARCHAR NOT NULL,
    role_probability DOUBLE,
    overlapped BOOLEAN NOT NULL,
    language VARCHAR,
    text VARCHAR NOT NULL,
    asr_confidence DOUBLE,
    commit_number BIGINT NOT NULL
);
CREATE TABLE turn_language (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    turn_index INTEGER NOT NULL,
    language VARCHAR NOT NULL,
    probability DOUBLE,
    commit_number BIGINT NOT NULL
);
CREATE TABLE word (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    turn_index INTEGER NOT NULL,
    start_s DOUBLE NOT NULL,
    end_s DOUBLE NOT NULL,
    text VARCHAR NOT NULL,
    probability DOUBLE,
    commit_number BIGINT NOT NULL
);
CREATE TABLE dropped_text (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    turn_index INTEGER NOT NULL,
    start_s DOUBLE NOT NULL,
    end_s DOUBLE NOT NULL,
    reason VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE metric (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE,
    method VARCHAR NOT NULL,
    threshold DOUBLE,
    commit_number BIGINT NOT NULL
);
CREATE TABLE tag (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    probability DOUBLE NOT NULL,
    turn_index INTEGER NOT NULL,
    start_s DOUBLE NOT NULL,
    end_s DOUBLE NOT NULL,
    quote VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE label (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR,
    probability DOUBLE,
    turn_indexes INTEGER[] NOT NULL,
    reason VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE redirect (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    turn_index INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    to_agency VARCHAR,
    to_number VARCHAR,
    reason_given BOOLEAN NOT NULL,
    justified BOOLEAN,
    quote VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE promise (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    turn_index INTEGER NOT NULL,
    what VARCHAR NOT NULL,
    due_text VARCHAR,
    due_date DATE,
    quote VARCHAR NOT NULL,
    status VARCHAR NOT NULL DEFAULT 'cannot_check',
    kept_at_local TIMESTAMP,
    commit_number BIGINT NOT NULL
);
CREATE TABLE answer (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    card_id VARCHAR,
    card_version VARCHAR,
    criterion_id VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    probability DOUBLE,
    turn_indexes INTEGER[] NOT NULL,
    quote VARCHAR,
    quote_start_s DOUBLE,
    reason VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE scorecard (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    card_id VARCHAR,
    card_version VARCHAR,
    dimension VARCHAR NOT NULL,
    earned DOUBLE NOT NULL,
    possible DOUBLE NOT NULL,
    unknown DOUBLE NOT NULL,
    critical INTEGER NOT NULL,
    coverage DOUBLE,
    score DOUBLE,
    commit_number BIGINT NOT NULL
);
CREATE TABLE stage_result (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    stage VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    error VARCHAR,
    seconds DOUBLE NOT NULL,
    run_id VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE contact (
    contact_id VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    uniqueid VARCHAR,
    linkedid VARCHAR,
    call_id VARCHAR,
    caller_key VARCHAR,
    did VARCHAR,
    queue VARCHAR,
    extension VARCHAR,
    agent_id VARCHAR,
    direction VARCHAR,
    started_at_utc TIMESTAMP,
    started_at_local TIMESTAMP,
    wait_s DOUBLE,
    talk_s DOUBLE,
    disposition VARCHAR,
    run_id VARCHAR NOT NULL
);
CREATE TABLE contact_event (
    contact_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    at_utc TIMESTAMP NOT NULL,
    event VARCHAR NOT NULL,
    queue VARCHAR,
    agent_id VARCHAR,
    detail VARCHAR[] NOT NULL
);
