-- What happened. Append-only; each stream is a chain of hashes.

CREATE TABLE events (
    position INTEGER NOT NULL PRIMARY KEY,
    stream TEXT NOT NULL,
    seq BIGINT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    kind SMALLINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    cause BLOB NOT NULL,
    body BLOB NOT NULL,
    -- Outside the hash, so that it can be erased.
    personal TEXT,
    CONSTRAINT event_follows_one_event UNIQUE (stream, seq),
    CONSTRAINT event_seq_is_positive CHECK (seq > 0)
);

CREATE INDEX events_by_kind ON events (kind, at);

CREATE TRIGGER events_are_append_only
BEFORE UPDATE OF position, stream, seq, previous_hash, hash, kind, at, actor, cause, body ON events
BEGIN
    SELECT RAISE(ABORT, 'events_are_append_only');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events_are_never_deleted');
END;

CREATE TABLE policy_versions (
    id BLOB NOT NULL PRIMARY KEY,
    tier TEXT NOT NULL,
    version BIGINT NOT NULL,
    rules TEXT NOT NULL,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT policy_version_is_unique UNIQUE (tier, version)
);

CREATE TABLE import_runs (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    amend BOOLEAN NOT NULL,
    rows_read BIGINT NOT NULL,
    created BIGINT NOT NULL,
    amended BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    digest BLOB NOT NULL,
    at BIGINT NOT NULL
);
