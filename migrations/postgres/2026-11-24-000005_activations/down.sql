DROP TABLE cases;
DROP TABLE deliveries;
DROP TABLE grant_sets;
DROP TABLE activations;
