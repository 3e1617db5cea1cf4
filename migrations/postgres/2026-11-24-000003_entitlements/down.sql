DROP TABLE activation_codes;
DROP TABLE entitlement_links;
DROP TABLE entitlements;
