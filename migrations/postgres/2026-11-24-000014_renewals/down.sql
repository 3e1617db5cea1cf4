DROP INDEX entitlement_link_is_unique;
DROP TABLE entitlement_renewals;
