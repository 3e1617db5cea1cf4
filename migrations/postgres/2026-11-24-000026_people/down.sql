DELETE FROM http_writes WHERE api_key_id NOT IN (SELECT id FROM api_keys);
ALTER TABLE http_writes ADD FOREIGN KEY (api_key_id) REFERENCES api_keys (id);
