-- By which the orders of a product line are found.
CREATE INDEX order_lines_by_sku ON order_lines (sku_id, order_id);
