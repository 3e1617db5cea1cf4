DROP INDEX devices_by_line_and_state;
