CREATE TRIGGER events_go_to_webhooks AFTER INSERT ON events
WHEN EXISTS (SELECT 1 FROM webhook_kinds WHERE kind IN (0, NEW.kind))
BEGIN
    INSERT INTO webhook_inbox (position) VALUES (NEW.position);
END;
