DELETE FROM license_models WHERE kind > 2;
UPDATE license_models SET rules = '{"grace_seconds":0,"returns_credit":true}'
    WHERE id = '\x00000000000070008000000000000001';
UPDATE license_models SET rules = '{"grace_seconds":1209600,"returns_credit":true}'
    WHERE id = '\x00000000000070008000000000000002';
