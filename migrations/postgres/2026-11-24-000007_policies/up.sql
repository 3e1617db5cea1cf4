-- The policies that an installation begins with; docs/policies.md says what each field decides.

-- A policy in force is replaced by its next version, never changed: decisions name the version.
CREATE UNIQUE INDEX policy_version_active_is_unique ON policy_versions (tier) WHERE state = 2;

CREATE TRIGGER policy_versions_are_written_once
BEFORE UPDATE OF id, tier, version, rules, created_at ON policy_versions
FOR EACH ROW EXECUTE FUNCTION refuse('policy_versions_are_written_once');

INSERT INTO policy_versions (id, tier, version, rules, state, created_at) VALUES
    ('\x00000000000070008000000000000001', 'strategic', 1,
        '{"activation":"self-service","returns":"self-service","grace_days":30,"offline":true,"admission":"automatic","rehost":{"mode":"self-service","units":12,"per_units":1,"window":"P1Y","scope":"entitlement","beyond":"approval"},"rehost_unconfirmed":{"mode":"self-service","units":2,"per_units":10,"window":"P1Y","scope":"entitlement","beyond":"approval"},"temporary":{"mode":"self-service","days":14,"causes":["expired","broken"],"units":4,"per_units":4,"window":"P1Y","scope":"entitlement","beyond":"approval"}}', 2, 0),
    ('\x00000000000070008000000000000002', 'standard', 1,
        '{"activation":"self-service","returns":"self-service","grace_days":0,"offline":true,"admission":"automatic","rehost":{"mode":"self-service","units":3,"per_units":1,"window":"P1Y","scope":"entitlement","beyond":"approval"},"rehost_unconfirmed":{"mode":"approval"},"temporary":{"mode":"self-service","days":7,"causes":["expired","broken"],"units":1,"per_units":10,"window":"P1Y","scope":"entitlement","beyond":"approval"}}', 2, 0),
    ('\x00000000000070008000000000000003', 'volume', 1,
        '{"activation":"self-service","returns":"self-service","grace_days":7,"offline":true,"renew_after_days":14,"admission":"automatic","requests_per_day":500,"rehost":{"mode":"self-service","units":6,"per_units":1,"window":"P1Y","scope":"entitlement","beyond":"refused"},"rehost_unconfirmed":{"mode":"self-service","units":1,"per_units":20,"window":"P1Y","scope":"entitlement","beyond":"refused"},"temporary":{"mode":"self-service","days":3,"causes":["expired","broken"],"units":2,"per_units":10,"window":"P1Y","scope":"entitlement","beyond":"refused"}}', 2, 0);
