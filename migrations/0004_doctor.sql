-- What a look at a connection found amiss; which connections are to 360dialog's sandbox; what customers ask for.

-- Bits, as gateway/finding.h numbers them.
ALTER TABLE connection_facts ADD COLUMN findings INTEGER NOT NULL DEFAULT 0;

-- Messages that met something, and nothing else: a row leaves it once its reason is empty.
CREATE INDEX messages_refused ON messages (business_id, seq) WHERE direction = 2 AND reason <> '';

ALTER TABLE connections ADD COLUMN sandbox INTEGER NOT NULL DEFAULT 0 CHECK (sandbox IN (0, 1));

-- Whether the last live checks found a fault in the connection's keys or number: then a handshake, which proves only that
-- its provider reaches us, makes it active no more.
ALTER TABLE connections ADD COLUMN checks_failed INTEGER NOT NULL DEFAULT 0 CHECK (checks_failed IN (0, 1));

-- The sandbox has one number for all who try it, so there each business may have it. sandbox_of: that business, else ''.
CREATE TABLE numbers_new (
	provider INTEGER NOT NULL,
	phone_number_id TEXT NOT NULL,
	sandbox_of TEXT NOT NULL,
	business_id TEXT NOT NULL,
	connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
	proven INTEGER NOT NULL,
	PRIMARY KEY (provider, phone_number_id, sandbox_of)
) STRICT, WITHOUT ROWID;
INSERT INTO numbers_new SELECT provider, phone_number_id, '', business_id, connection_id, proven FROM numbers;
DROP TABLE numbers;
ALTER TABLE numbers_new RENAME TO numbers;
CREATE INDEX numbers_business ON numbers (business_id, phone_number_id);
CREATE INDEX numbers_connection ON numbers (connection_id);

-- Questions about products that the catalogue answered, by day (days since 1970, UTC). product_id '' counts the
-- questions; any other, the answers that named that product. A product may be removed while its counts stay, so it has no
-- foreign key.
CREATE TABLE demand (
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	day INTEGER NOT NULL,
	product_id TEXT NOT NULL,
	n INTEGER NOT NULL CHECK (n > 0),
	PRIMARY KEY (business_id, day, product_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX demand_day ON demand (day);
