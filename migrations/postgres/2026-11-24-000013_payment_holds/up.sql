-- Nothing new is activated of an order before it is paid for.
ALTER TABLE orders ADD COLUMN payment_hold BOOLEAN NOT NULL DEFAULT FALSE;
