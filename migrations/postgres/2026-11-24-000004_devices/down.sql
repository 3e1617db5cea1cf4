DROP TABLE shipment_serials;
DROP TABLE shipments;
DROP TABLE credentials;
DROP TABLE conversations;
DROP TABLE devices;
DROP TABLE factory_batches;
