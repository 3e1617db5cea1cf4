ALTER TABLE webhooks DROP COLUMN replay_skips_before;
ALTER TABLE webhooks DROP COLUMN forgotten_to;
ALTER TABLE webhooks DROP COLUMN forgotten_from;
