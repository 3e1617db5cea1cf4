DROP TABLE import_runs;
DROP TABLE policy_versions;
DROP TABLE events;
