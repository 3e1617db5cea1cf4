DROP TABLE runs;
DROP TABLE stations;
