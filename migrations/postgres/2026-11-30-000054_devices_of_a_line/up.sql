-- Devices of a product line in a state, in the order of their ids. A message changes neither column but
-- where it admits the device.
CREATE INDEX devices_by_line_and_state ON devices (product_line_id, state, id);
