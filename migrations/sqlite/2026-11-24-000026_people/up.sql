-- Writes of people too, who have no key: `api_key_id` is a digest of issuer and subject then.

CREATE TABLE http_writes_of_all (
    api_key_id BLOB NOT NULL,
    idempotency_key TEXT NOT NULL,
    -- SHA-256 of method, address and body.
    request BLOB NOT NULL,
    answer BLOB NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (api_key_id, idempotency_key),
    CONSTRAINT http_write_request_has_32_bytes CHECK (length(request) = 32)
);

INSERT INTO http_writes_of_all (api_key_id, idempotency_key, request, answer, at)
SELECT api_key_id, idempotency_key, request, answer, at FROM http_writes;

DROP TABLE http_writes;

ALTER TABLE http_writes_of_all RENAME TO http_writes;

CREATE INDEX http_writes_by_at ON http_writes (at);
