CREATE FUNCTION note_for_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM webhook_kinds WHERE kind IN (0, NEW.kind)) THEN
        INSERT INTO webhook_inbox (position) VALUES (NEW.position);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER events_go_to_webhooks AFTER INSERT ON events
FOR EACH ROW EXECUTE FUNCTION note_for_webhooks();
