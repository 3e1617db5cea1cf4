-- What a device says anew with each message stands with the rest that each message writes, so that
-- a message need not write the device's own row.
ALTER TABLE conversations ADD COLUMN boot_count BIGINT;
ALTER TABLE conversations ADD COLUMN said_clock_at BIGINT;
UPDATE conversations SET
    boot_count = (SELECT devices.boot_count FROM devices WHERE devices.id = conversations.device_id),
    said_clock_at = (SELECT devices.said_clock_at FROM devices WHERE devices.id = conversations.device_id);
ALTER TABLE devices DROP COLUMN boot_count;
ALTER TABLE devices DROP COLUMN said_clock_at;
