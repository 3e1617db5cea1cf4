-- Who else is told what happened: the maker's ERP, its CRM.

CREATE TABLE webhooks (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    -- Only what concerns this party, or devices and products of this line.
    party_id BYTEA REFERENCES parties (id),
    product_line_id BYTEA REFERENCES product_lines (id),
    -- Messages are signed with it, so it cannot be a hash.
    secret BYTEA NOT NULL,
    -- The one before, which signs beside it until then.
    former_secret BYTEA,
    former_until BIGINT,
    state SMALLINT NOT NULL,
    because SMALLINT,
    -- Attempts that failed since the last that did not, and what follows from it.
    failures BIGINT NOT NULL,
    failing_since BIGINT,
    not_before BIGINT,
    -- Since when nothing is sent, so that what was missed is known.
    stopped_at BIGINT,
    -- A part of the history that is gone through again: events of `replay_since` and later, at
    -- positions after `replay_after` and up to `replay_to`.
    replay_since BIGINT,
    replay_after BIGINT,
    replay_to BIGINT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT webhook_name_is_unique UNIQUE (name),
    CONSTRAINT webhook_secret_is_long_enough CHECK (length(secret) BETWEEN 24 AND 64),
    CONSTRAINT webhook_former_secret_ends CHECK ((former_secret IS NULL) = (former_until IS NULL)),
    CONSTRAINT webhook_that_is_stopped_has_an_instant CHECK ((state = 1) = (stopped_at IS NULL)),
    CONSTRAINT webhook_that_is_disabled_says_why CHECK ((state = 3) = (because IS NOT NULL)),
    CONSTRAINT webhook_failures_are_not_negative CHECK (failures >= 0),
    CONSTRAINT webhook_that_fails_has_an_instant CHECK ((failures = 0) = (failing_since IS NULL)),
    CONSTRAINT webhook_replay_is_whole CHECK ((replay_since IS NULL) = (replay_after IS NULL) AND (replay_since IS NULL) = (replay_to IS NULL))
);

-- The kinds of events that a webhook wants; 0 stands for all, those of later versions too.
CREATE TABLE webhook_kinds (
    webhook_id BYTEA NOT NULL REFERENCES webhooks (id),
    kind SMALLINT NOT NULL,
    PRIMARY KEY (webhook_id, kind)
);

CREATE INDEX webhook_kinds_by_kind ON webhook_kinds (kind);

-- Events that some webhook may want, written in the transaction of the event: whoever takes them
-- from here misses none, in whatever order transactions commit.
CREATE TABLE webhook_inbox (
    position BIGINT NOT NULL PRIMARY KEY REFERENCES events (position)
);

CREATE FUNCTION note_for_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM webhook_kinds WHERE kind IN (0, NEW.kind)) THEN
        INSERT INTO webhook_inbox (position) VALUES (NEW.position);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER events_go_to_webhooks AFTER INSERT ON events
FOR EACH ROW EXECUTE FUNCTION note_for_webhooks();

-- A message about an event. What it says is the event's own row.
CREATE TABLE webhook_deliveries (
    webhook_id BYTEA NOT NULL REFERENCES webhooks (id),
    position BIGINT NOT NULL REFERENCES events (position),
    -- The event's stream and instant: messages of one stream are sent in order.
    stream TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    state SMALLINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When it is sent next; while it is under way, when it is taken to be lost.
    next_at BIGINT NOT NULL,
    -- What came of the last attempt.
    status SMALLINT,
    problem TEXT COLLATE "C",
    settled_at BIGINT,
    PRIMARY KEY (webhook_id, position),
    CONSTRAINT webhook_delivery_attempts_are_not_negative CHECK (attempts >= 0),
    CONSTRAINT webhook_delivery_that_is_settled_has_an_instant CHECK ((state = 1) = (settled_at IS NULL))
);

CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (webhook_id, state, position);
CREATE INDEX webhook_deliveries_by_stream ON webhook_deliveries (webhook_id, stream, position) WHERE state = 1;
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (settled_at) WHERE settled_at IS NOT NULL;
