-- The stamp of what hardly ever changes covers which policy is in force for whom as well.

CREATE TRIGGER catalogue_stamp_of_a_new_policy AFTER INSERT ON policy_versions
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TRIGGER catalogue_stamp_of_a_policy_in_force AFTER UPDATE ON policy_versions
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TRIGGER catalogue_stamp_of_another_tier AFTER UPDATE OF tier ON parties
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();
