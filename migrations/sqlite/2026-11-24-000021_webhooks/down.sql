DROP TRIGGER events_go_to_webhooks;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_inbox;
DROP TABLE webhook_kinds;
DROP TABLE webhooks;
