-- Whether the last live checks found a fault in a connection's keys or number: then a handshake, which proves only that
-- its provider reaches us, makes it active no more.

ALTER TABLE connections ADD COLUMN checks_failed INTEGER NOT NULL DEFAULT 0 CHECK (checks_failed IN (0, 1));
