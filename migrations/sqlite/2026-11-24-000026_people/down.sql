-- Answers to people cannot be kept by a table of keys; they are kept for a week only.
DELETE FROM http_writes WHERE api_key_id NOT IN (SELECT id FROM api_keys);
