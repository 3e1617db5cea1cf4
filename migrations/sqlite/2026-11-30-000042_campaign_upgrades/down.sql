ALTER TABLE campaigns DROP COLUMN upgrade_to_id;
