-- The stamp of what hardly ever changes covers which policy is in force for whom as well.

CREATE TRIGGER catalogue_stamp_of_a_new_policy AFTER INSERT ON policy_versions
BEGIN
    UPDATE catalogue_stamps SET stamp = random();
END;

CREATE TRIGGER catalogue_stamp_of_a_policy_in_force AFTER UPDATE ON policy_versions
BEGIN
    UPDATE catalogue_stamps SET stamp = random();
END;

CREATE TRIGGER catalogue_stamp_of_another_tier AFTER UPDATE OF tier ON parties
BEGIN
    UPDATE catalogue_stamps SET stamp = random();
END;
