-- Responders that a platform runs, what they are owed, calls that may come twice, and what
-- 360dialog connections and handshakes add to a connection.

ALTER TABLE connections ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN handshake_at INTEGER NOT NULL DEFAULT 0;
-- Whether the provider itself said that this connection's key has this number. A claim that nobody proved gives
-- way to one that is; what was there before is taken for proven.
ALTER TABLE numbers ADD COLUMN proven INTEGER NOT NULL DEFAULT 1;
CREATE INDEX connections_app ON connections (app_id, business_id) WHERE app_id <> '';

CREATE TABLE responders (
	business_id TEXT PRIMARY KEY NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	url BLOB NOT NULL,
	version INTEGER NOT NULL CHECK (version > 0),
	last4 TEXT NOT NULL,
	secret BLOB NOT NULL,
	created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a responder is owed: 1 a question, whose content is its message's, or 2 a status with its own. A row goes
-- when it is done with. asked_at is 0 unless it is leased, next_at 0 unless it waits for a later try. Of a
-- conversation only its head is asked, the oldest: the triggers keep that mark.
CREATE TABLE asks (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	kind INTEGER NOT NULL CHECK (kind IN (1, 2)),
	message_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	number TEXT NOT NULL,
	conversation BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	next_at INTEGER NOT NULL DEFAULT 0 CHECK (next_at >= 0),
	asked_at INTEGER NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	head INTEGER NOT NULL DEFAULT 0 CHECK (head IN (0, 1)),
	content BLOB
) STRICT;
CREATE INDEX asks_conversation ON asks (business_id, conversation, seq);
-- Each holds only what it names, so that neither a backlog nor what waits for later is read through.
CREATE INDEX asks_due ON asks (business_id, seq) WHERE head = 1 AND asked_at = 0 AND next_at = 0;
CREATE INDEX asks_later ON asks (next_at) WHERE asked_at = 0 AND next_at > 0;
CREATE INDEX asks_leased ON asks (business_id) WHERE asked_at > 0;
-- Asked before, without an answer.
CREATE INDEX asks_failing ON asks (business_id) WHERE attempts > (asked_at > 0);
CREATE TRIGGER asks_arrives AFTER INSERT ON asks
BEGIN
	UPDATE asks SET head = 1 WHERE seq = NEW.seq AND NOT EXISTS (
		SELECT 1 FROM asks o WHERE o.business_id = NEW.business_id
		AND o.conversation = NEW.conversation AND o.seq < NEW.seq);
END;
CREATE TRIGGER asks_leaves AFTER DELETE ON asks
WHEN OLD.head = 1
BEGIN
	UPDATE asks SET head = 1 WHERE seq = (
		SELECT o.seq FROM asks o WHERE o.business_id = OLD.business_id
		AND o.conversation = OLD.conversation ORDER BY o.seq LIMIT 1);
END;

-- The column messages.awaits is not used any more: it stays 0.
INSERT INTO asks (id, business_id, kind, message_id, connection_id, number, conversation, created_at)
	SELECT id, business_id, 1, id, connection_id, number, conversation, created_at
	FROM messages WHERE awaits = 1 ORDER BY seq;
UPDATE messages SET awaits = 0 WHERE awaits = 1;
DROP INDEX messages_awaiting;

CREATE INDEX messages_conversation ON messages (business_id, conversation, seq);
CREATE INDEX outbox_retrying ON messages (connection_id) WHERE state = 4;

-- Calls that may come twice, and their first answer: status 0 while there is none. business_id '' is for calls
-- that concern no business, so there is no foreign key.
CREATE TABLE once (
	business_id TEXT NOT NULL,
	key BLOB NOT NULL,
	request BLOB NOT NULL,
	status INTEGER NOT NULL CHECK (status >= 0),
	at INTEGER NOT NULL,
	body BLOB,
	PRIMARY KEY (business_id, key)
) STRICT;
CREATE INDEX once_at ON once (at);
CREATE INDEX once_in_flight ON once (at) WHERE status = 0;

-- How many rows a table has, which SQLite would count one by one.
CREATE TABLE totals (
	name TEXT PRIMARY KEY,
	n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO totals (name, n) VALUES ('businesses', (SELECT count(*) FROM businesses)),
	('connections', (SELECT count(*) FROM connections));
CREATE TRIGGER businesses_grow AFTER INSERT ON businesses
BEGIN
	UPDATE totals SET n = n + 1 WHERE name = 'businesses';
END;
CREATE TRIGGER businesses_shrink AFTER DELETE ON businesses
BEGIN
	UPDATE totals SET n = n - 1 WHERE name = 'businesses';
END;
CREATE TRIGGER connections_grow AFTER INSERT ON connections
BEGIN
	UPDATE totals SET n = n + 1 WHERE name = 'connections';
END;
CREATE TRIGGER connections_shrink AFTER DELETE ON connections
BEGIN
	UPDATE totals SET n = n - 1 WHERE name = 'connections';
END;
