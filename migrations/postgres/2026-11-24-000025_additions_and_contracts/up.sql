-- Products that are additions to others, and policies of one party's contract: both are kept between
-- transactions, and so draw the stamp anew.

CREATE INDEX product_requirements_by_required ON product_requirements (requires_id);
CREATE INDEX products_by_replaced ON products (replaces_id) WHERE replaces_id IS NOT NULL;

CREATE TRIGGER catalogue_stamp_of_a_requirement AFTER INSERT ON product_requirements
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TRIGGER catalogue_stamp_without_a_requirement AFTER DELETE ON product_requirements
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TRIGGER catalogue_stamp_of_another_line AFTER UPDATE OF replaces_id ON products
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

-- Of a party at most one has a policy in force.
CREATE UNIQUE INDEX contract_policy_is_one ON contracts (party_id) WHERE state = 1 AND policy IS NOT NULL;

CREATE TRIGGER catalogue_stamp_of_a_contract AFTER INSERT ON contracts
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TRIGGER catalogue_stamp_of_another_contract AFTER UPDATE ON contracts
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE INDEX orders_by_ordered_at ON orders (ordered_at);
