-- Who may ask the HTTP API.

CREATE TABLE api_keys (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of the token: 256 random bits, shown once and kept nowhere.
    token_hash BYTEA NOT NULL,
    -- A bit for each role, 1 shifted by its number.
    roles BIGINT NOT NULL,
    -- Whose things it sees; none sees all.
    party_id BYTEA REFERENCES parties (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    -- Not later than this; to the minute.
    last_used_at BIGINT,
    CONSTRAINT api_key_name_is_unique UNIQUE (name),
    CONSTRAINT api_key_token_is_unique UNIQUE (token_hash),
    CONSTRAINT api_key_token_hash_has_32_bytes CHECK (length(token_hash) = 32),
    CONSTRAINT api_key_has_roles CHECK (roles > 0),
    -- 192: partner and customer, who never see what is not theirs.
    CONSTRAINT api_key_of_a_party_sees_only_its_own
        CHECK ((party_id IS NULL AND (roles & 192) = 0) OR (party_id IS NOT NULL AND (roles & 192) = roles)),
    CONSTRAINT api_key_expires_after_it_was_made CHECK (expires_at > created_at)
);
