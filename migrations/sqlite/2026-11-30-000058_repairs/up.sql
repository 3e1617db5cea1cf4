-- Why no key speaks for a device that had one: its board was replaced (1), or its key was revoked (2).
ALTER TABLE devices ADD COLUMN key_loss SMALLINT;
-- It was on a board that was replaced, and no set for the new one had it yet: nothing that the new
-- board signs proves that it is gone.
ALTER TABLE activations ADD COLUMN stranded BOOLEAN NOT NULL DEFAULT FALSE;
