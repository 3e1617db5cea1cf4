DROP TABLE regrants;
