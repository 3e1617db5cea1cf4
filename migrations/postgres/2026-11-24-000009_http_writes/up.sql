-- What was written over HTTP, so that the same request again gives the same answer.

CREATE TABLE http_writes (
    api_key_id BYTEA NOT NULL REFERENCES api_keys (id),
    idempotency_key TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of method, address and body.
    request BYTEA NOT NULL,
    answer BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (api_key_id, idempotency_key),
    CONSTRAINT http_write_request_has_32_bytes CHECK (length(request) = 32)
);

CREATE INDEX http_writes_by_at ON http_writes (at);
