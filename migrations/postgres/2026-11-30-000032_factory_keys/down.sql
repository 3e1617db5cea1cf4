-- Keys of contract manufacturers, which no version before could hold.
DELETE FROM api_keys WHERE party_id IS NOT NULL AND (roles & 2) <> 0;

ALTER TABLE api_keys DROP CONSTRAINT api_key_of_a_party_sees_only_its_own;

-- 192: partner and customer, who never see what is not theirs.
ALTER TABLE api_keys ADD CONSTRAINT api_key_of_a_party_sees_only_its_own
    CHECK ((party_id IS NULL AND (roles & 192) = 0) OR (party_id IS NOT NULL AND (roles & 192) = roles));
