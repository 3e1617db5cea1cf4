DROP TABLE http_writes;
