DROP TABLE raised_ceilings;
ALTER TABLE regrants DROP COLUMN rule;
ALTER TABLE regrants DROP COLUMN due_at;
ALTER TABLE regrants DROP COLUMN tries;
