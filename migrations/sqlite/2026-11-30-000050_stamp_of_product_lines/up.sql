-- Which devices a product is for is kept between transactions, and so draws the stamp anew.
CREATE TRIGGER catalogue_stamp_of_other_devices AFTER UPDATE OF product_line_id ON products
BEGIN
    UPDATE catalogue_stamps SET stamp = random();
END;
