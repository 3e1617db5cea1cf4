ALTER TABLE devices ADD COLUMN boot_count BIGINT;
ALTER TABLE devices ADD COLUMN said_clock_at BIGINT;
UPDATE devices SET
    boot_count = (SELECT c.boot_count FROM conversations c WHERE c.device_id = devices.id),
    said_clock_at = (SELECT c.said_clock_at FROM conversations c WHERE c.device_id = devices.id);
ALTER TABLE conversations DROP COLUMN boot_count;
ALTER TABLE conversations DROP COLUMN said_clock_at;
