DROP TABLE order_lines;
DROP TABLE orders;
DROP TABLE contracts;
DROP TABLE party_external_ids;
DROP TABLE parties;
