DROP TABLE imported_usage;
