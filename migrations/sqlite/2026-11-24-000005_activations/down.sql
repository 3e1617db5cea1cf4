DROP TABLE cases;
DROP TABLE usage_totals;
DROP TABLE deliveries;
DROP TABLE grant_sets;
DROP TABLE activations;
