ALTER TABLE cases DROP COLUMN decided_by;
ALTER TABLE cases DROP COLUMN requested_by;
ALTER TABLE cases DROP COLUMN total;
