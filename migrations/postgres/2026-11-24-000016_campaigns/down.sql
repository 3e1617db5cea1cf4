DROP TABLE campaign_activations;
DROP TABLE campaign_devices;
DROP TABLE campaign_waves;
DROP TABLE campaigns;
