-- Keys of the factory role that belong to a contract manufacturer.

ALTER TABLE api_keys DROP CONSTRAINT api_key_of_a_party_sees_only_its_own;

-- 192: partner and customer, who never see what is not theirs; 2: factory, the maker's own or a party's.
ALTER TABLE api_keys ADD CONSTRAINT api_key_of_a_party_sees_only_its_own
    CHECK ((party_id IS NULL AND (roles & 192) = 0) OR (party_id IS NOT NULL AND (roles & 194) = roles));
