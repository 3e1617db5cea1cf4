-- What an order line of maintenance maintains: references of entitlements or of order lines, separated
-- by semicolons, as the order says.
ALTER TABLE order_lines ADD COLUMN maintains TEXT COLLATE "C";
