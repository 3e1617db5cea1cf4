DROP INDEX activation_codes_by_pack;
CREATE INDEX activation_codes_by_pack ON activation_codes (pack, entitlement_id);
