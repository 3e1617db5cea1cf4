-- Maintenance covers other rights: firmware built at its end or later does not turn them on. Messages
-- read the end where it is, at what is covered; it is written when the maintenance changes.

ALTER TABLE entitlements ADD COLUMN maintained_until_at BIGINT;

-- The devices are given a set though what they have stays as it is: it says something else of it.
ALTER TABLE refreshes ADD COLUMN anew BOOLEAN NOT NULL DEFAULT FALSE;
