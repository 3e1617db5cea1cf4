DROP TRIGGER policy_versions_are_written_once ON policy_versions;
DROP INDEX policy_version_active_is_unique;
DELETE FROM policy_versions WHERE version = 1 AND tier IN ('strategic', 'standard', 'volume');
