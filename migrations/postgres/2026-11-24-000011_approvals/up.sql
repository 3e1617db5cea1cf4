-- Who asked for what waits for an approval, and who decided it.
ALTER TABLE cases ADD COLUMN total BIGINT;
ALTER TABLE cases ADD COLUMN requested_by TEXT COLLATE "C" NOT NULL DEFAULT 'device';
ALTER TABLE cases ADD COLUMN decided_by TEXT COLLATE "C"
    CONSTRAINT case_is_not_decided_by_its_requester CHECK (decided_by <> requested_by);
