-- Keys of product lines, which no version before could hold: they would see every line.
DELETE FROM api_keys WHERE product_line_id IS NOT NULL;

CREATE TABLE api_keys_anew (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- SHA-256 of the token: 256 random bits, shown once and kept nowhere.
    token_hash BLOB NOT NULL,
    -- A bit for each role, 1 shifted by its number.
    roles BIGINT NOT NULL,
    -- Whose things it sees; none sees all.
    party_id BLOB REFERENCES parties (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    -- Not later than this; to the minute.
    last_used_at BIGINT,
    CONSTRAINT api_key_name_is_unique UNIQUE (name),
    CONSTRAINT api_key_token_is_unique UNIQUE (token_hash),
    CONSTRAINT api_key_token_hash_has_32_bytes CHECK (length(token_hash) = 32),
    CONSTRAINT api_key_has_roles CHECK (roles > 0),
    -- 192: partner and customer, who never see what is not theirs; 2: factory, the maker's own or a party's.
    CONSTRAINT api_key_of_a_party_sees_only_its_own
        CHECK ((party_id IS NULL AND (roles & 192) = 0) OR (party_id IS NOT NULL AND (roles & 194) = roles)),
    CONSTRAINT api_key_expires_after_it_was_made CHECK (expires_at > created_at)
);

INSERT INTO api_keys_anew (
    id, name, token_hash, roles, party_id, created_at, expires_at, revoked_at, last_used_at
)
SELECT id, name, token_hash, roles, party_id, created_at, expires_at, revoked_at, last_used_at
FROM api_keys;

DROP TABLE api_keys;

ALTER TABLE api_keys_anew RENAME TO api_keys;

CREATE INDEX api_keys_by_created_at ON api_keys (created_at, name);
CREATE INDEX api_keys_by_expires_at ON api_keys (expires_at, name);
