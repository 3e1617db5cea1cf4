-- Why somebody did it, in their words: outside the hash, so that it can be erased.
ALTER TABLE events ADD COLUMN reason TEXT;
