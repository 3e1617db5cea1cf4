-- What a replay cannot find among the messages any more, though it was sent: messages about events
-- from the one instant to the other, both included, were settled and are forgotten where they are
-- not there.
ALTER TABLE webhooks ADD COLUMN forgotten_from BIGINT;
ALTER TABLE webhooks ADD COLUMN forgotten_to BIGINT;

-- The part of the history that is gone through again leaves out, of what is forgotten, the events
-- before this instant.
ALTER TABLE webhooks ADD COLUMN replay_skips_before BIGINT;
