-- What is heard beside speech, who a speaker was said to be by a person, and voices where the
-- configuration lets them be kept.
CREATE TABLE sound (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    start_s DOUBLE NOT NULL,
    end_s DOUBLE NOT NULL,
    channel INTEGER,
    detail VARCHAR,
    commit_number BIGINT NOT NULL
);
CREATE TABLE role_correction (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    speaker VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    commit_number BIGINT NOT NULL
);
CREATE TABLE voice (
    call_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    speaker VARCHAR NOT NULL,
    seconds DOUBLE NOT NULL,
    embedding DOUBLE[] NOT NULL,
    commit_number BIGINT NOT NULL
);
