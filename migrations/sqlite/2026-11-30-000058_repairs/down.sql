ALTER TABLE activations DROP COLUMN stranded;
ALTER TABLE devices DROP COLUMN key_loss;
