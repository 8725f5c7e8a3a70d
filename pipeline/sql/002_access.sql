-- Telephone logs: accepted lines without numbers, the description of the queues, and what was
-- loaded. line_key is a digest of the whole line with the secret that caller keys are made with,
-- so that a line is known again although its numbers are not stored.

CREATE TABLE log_file (
    sha256 VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    total_lines BIGINT NOT NULL,
    accepted_lines BIGINT NOT NULL,
    rejected_lines BIGINT NOT NULL,
    duplicate_lines BIGINT NOT NULL,
    crlf_lines BIGINT NOT NULL,
    run_id VARCHAR NOT NULL
);
CREATE TABLE log_rejection (
    sha256 VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    lines BIGINT NOT NULL,
    sample_lines BIGINT[] NOT NULL,
    sample_shapes VARCHAR[] NOT NULL
);
CREATE TABLE contact_leg (
    line_key UHUGEINT NOT NULL,
    uniqueid VARCHAR NOT NULL,
    linkedid VARCHAR NOT NULL,
    sequence BIGINT,
    direction VARCHAR NOT NULL,
    dst VARCHAR,
    caller_key VARCHAR,
    called_key VARCHAR,
    extension VARCHAR,
    started_at_utc TIMESTAMP NOT NULL,
    started_at_local TIMESTAMP NOT NULL,
    ended_at_utc TIMESTAMP NOT NULL,
    duration_s INTEGER NOT NULL,
    talk_s INTEGER,
    disposition VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL
);
ALTER TABLE contact_event ADD COLUMN wait_s INTEGER;
ALTER TABLE contact_event ADD COLUMN talk_s INTEGER;
ALTER TABLE contact_event ADD COLUMN ring_ms BIGINT;
ALTER TABLE contact_event ADD COLUMN line_key UHUGEINT;
ALTER TABLE contact_event ADD COLUMN sha256 VARCHAR;
ALTER TABLE contact ADD COLUMN ended_at_utc TIMESTAMP;
ALTER TABLE contact ADD COLUMN sequence BIGINT;
ALTER TABLE contact ADD COLUMN attempt BOOLEAN;
ALTER TABLE contact ADD COLUMN did_queue VARCHAR;
ALTER TABLE contact ADD COLUMN out_of_hours BOOLEAN;
ALTER TABLE contact ADD COLUMN in_queue BOOLEAN;
ALTER TABLE contact ADD COLUMN answered BOOLEAN;
ALTER TABLE contact ADD COLUMN abandoned BOOLEAN;

CREATE TABLE queue (
    queue VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    place INTEGER NOT NULL
);
CREATE TABLE queue_did (
    did VARCHAR NOT NULL,
    queue VARCHAR,
    name VARCHAR NOT NULL,
    place INTEGER NOT NULL
);
CREATE TABLE queue_hours (
    queue VARCHAR NOT NULL,
    weekday INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    end_s INTEGER NOT NULL
);
CREATE TABLE queue_closed (
    queue VARCHAR NOT NULL,
    closed_on DATE NOT NULL
);
CREATE TABLE access_option (
    threshold_s INTEGER NOT NULL,
    short_abandon_s INTEGER NOT NULL,
    coverage_target DECIMAL(9, 6) NOT NULL,
    dead_attempts INTEGER NOT NULL,
    period_end_local TIMESTAMP,
    key_check VARCHAR
);
INSERT INTO access_option VALUES (20, 5, 0.5, 20, NULL, NULL);
