-- Where devices are built and tried, and each try.

CREATE TABLE stations (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    manufacturer_id BYTEA REFERENCES parties (id),
    time_limit_seconds BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT station_name_is_unique UNIQUE (name),
    CONSTRAINT station_has_a_time_limit CHECK (time_limit_seconds > 0)
);

CREATE TABLE runs (
    id BYTEA NOT NULL PRIMARY KEY,
    station_id BYTEA NOT NULL REFERENCES stations (id),
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id),
    attempt BIGINT NOT NULL,
    operator TEXT COLLATE "C",
    state SMALLINT NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT,
    CONSTRAINT run_attempt_is_unique UNIQUE (station_id, device_id, attempt),
    CONSTRAINT run_open_or_closed CHECK ((state = 1) = (closed_at IS NULL)),
    CONSTRAINT run_attempts_count_from_one CHECK (attempt > 0)
);

-- A device is at one place.
CREATE UNIQUE INDEX run_open_is_unique ON runs (device_id) WHERE state = 1;
CREATE INDEX runs_by_device ON runs (device_id);
CREATE INDEX runs_by_closed_at ON runs (closed_at) WHERE closed_at IS NOT NULL;
