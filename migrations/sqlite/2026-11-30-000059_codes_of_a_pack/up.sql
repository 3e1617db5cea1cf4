-- The codes of a pack are listed by themselves, a page at a time, in the order of their ids.
DROP INDEX activation_codes_by_pack;
CREATE INDEX activation_codes_by_pack ON activation_codes (pack, entitlement_id, id);
