-- What a look at a connection found amiss; which connections are to 360dialog's sandbox; what customers ask for.

-- Bits, as gateway/finding.h numbers them.
ALTER TABLE connection_facts ADD COLUMN findings INTEGER NOT NULL DEFAULT 0;

ALTER TABLE connections ADD COLUMN sandbox INTEGER NOT NULL DEFAULT 0 CHECK (sandbox IN (0, 1));

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
