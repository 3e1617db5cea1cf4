DROP TABLE sku_contents;
DROP TABLE skus;
DROP TABLE license_models;
DROP TABLE product_requirements;
DROP TABLE product_features;
DROP TABLE products;
DROP TABLE features;
DROP TABLE product_lines;
