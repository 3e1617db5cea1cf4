-- Writes of people too, who have no key: `api_key_id` is a digest of issuer and subject then.

ALTER TABLE http_writes DROP CONSTRAINT http_writes_api_key_id_fkey;
