-- Businesses, their connections and sealed credentials, the inbox, the log of messages
-- (whose outbound rows are the outbox), products and admin tokens.
--
-- Sealed values are BLOBs. What identifies a customer is never a column: it is found by
-- a keyed blind index of 16 bytes.

CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- business_id '' holds the deployment's own keys, so there is no foreign key.
CREATE TABLE tenant_keys (
	business_id TEXT NOT NULL,
	purpose INTEGER NOT NULL CHECK (purpose BETWEEN 1 AND 3),
	version INTEGER NOT NULL CHECK (version > 0),
	master_key_id TEXT NOT NULL,
	wrapped BLOB NOT NULL,
	PRIMARY KEY (business_id, purpose, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE businesses (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	status INTEGER NOT NULL CHECK (status IN (1, 2)),
	responder TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE connections (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	provider INTEGER NOT NULL CHECK (provider IN (1, 2)),
	status INTEGER NOT NULL CHECK (status BETWEEN 1 AND 6),
	app_id TEXT NOT NULL,
	waba_id TEXT NOT NULL,
	phone_number_id TEXT NOT NULL,
	display_phone TEXT NOT NULL,
	verified_name TEXT NOT NULL,
	verify_token TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX connections_business ON connections (business_id, seq);

-- A number belongs to one connection of one business: the primary key is that rule.
CREATE TABLE numbers (
	provider INTEGER NOT NULL,
	phone_number_id TEXT NOT NULL,
	business_id TEXT NOT NULL,
	connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
	PRIMARY KEY (provider, phone_number_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX numbers_business ON numbers (business_id, phone_number_id);
CREATE INDEX numbers_connection ON numbers (connection_id);

CREATE TABLE credentials (
	connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
	field TEXT NOT NULL,
	slot INTEGER NOT NULL CHECK (slot IN (1, 2)),
	business_id TEXT NOT NULL,
	version INTEGER NOT NULL CHECK (version > 0),
	last4 TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	sealed BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL,
	PRIMARY KEY (connection_id, field, slot)
) STRICT;
CREATE INDEX credentials_business ON credentials (business_id, field);

-- The inbox. body is NULL once its retention has passed. A connection may be removed while
-- its events stay, so connection_id has no foreign key.
CREATE TABLE events (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	connection_id TEXT NOT NULL,
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
	received_at INTEGER NOT NULL,
	delivered INTEGER NOT NULL DEFAULT 0,
	quarantined INTEGER NOT NULL DEFAULT 0,
	duplicates INTEGER NOT NULL DEFAULT 0,
	body BLOB
) STRICT;
CREATE INDEX events_business ON events (business_id, seq);
CREATE INDEX events_unsettled ON events (seq) WHERE state = 1;
CREATE INDEX events_whole ON events (received_at) WHERE body IS NOT NULL;
CREATE INDEX events_bare ON events (received_at) WHERE body IS NULL;

CREATE TABLE updates (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL,
	event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
	business_id TEXT NOT NULL,
	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4),
	verdict INTEGER NOT NULL CHECK (verdict BETWEEN 1 AND 3),
	field TEXT NOT NULL,
	number TEXT NOT NULL,
	reason TEXT NOT NULL
) STRICT;
CREATE INDEX updates_event ON updates (event_id);

-- What was delivered once, by blind index; pruned after 8 days.
CREATE TABLE seen (
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	key BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (business_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen (at);

-- Conversations in which the owner writes himself: no responder is asked until then.
CREATE TABLE pauses (
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	conversation BLOB NOT NULL,
	until INTEGER NOT NULL,
	PRIMARY KEY (business_id, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX pauses_until ON pauses (until);

-- States as in enum store_message_state: 1 received, 2 queued, 3 sending, 4 retry, 5 sent,
-- 6 delivered, 7 read, 8 failed, 9 unknown, 10 dead.
CREATE TABLE messages (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	connection_id TEXT NOT NULL,
	number TEXT NOT NULL,
	direction INTEGER NOT NULL CHECK (direction IN (1, 2)),
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 10),
	type TEXT NOT NULL,
	conversation BLOB NOT NULL,
	wamid_index BLOB,
	awaits INTEGER NOT NULL CHECK (awaits IN (0, 1)),
	head INTEGER NOT NULL DEFAULT 0 CHECK (head IN (0, 1)),
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	next_at INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	error_code INTEGER NOT NULL,
	reason TEXT NOT NULL,
	wamid BLOB,
	content BLOB
) STRICT;
CREATE INDEX messages_business ON messages (business_id, seq);
CREATE INDEX messages_whole ON messages (created_at) WHERE content IS NOT NULL;
CREATE INDEX messages_bare ON messages (created_at) WHERE content IS NULL;
CREATE INDEX messages_wamid ON messages (business_id, wamid_index) WHERE wamid_index IS NOT NULL;
CREATE INDEX messages_awaiting ON messages (seq) WHERE awaits = 1;
-- The outbox: what may go next through a connection, what waits in a conversation, what is on its way. Of a
-- conversation only its head goes: the oldest message that is not done with. The triggers below keep that mark.
CREATE INDEX outbox_connection ON messages (connection_id, next_at, seq) WHERE state IN (2, 4) AND head = 1;
CREATE INDEX outbox_conversation ON messages (business_id, conversation, seq) WHERE state IN (2, 3, 4);
CREATE INDEX outbox_sending ON messages (connection_id) WHERE state = 3;
CREATE TRIGGER outbox_arrives AFTER INSERT ON messages
WHEN NEW.state IN (2, 3, 4)
BEGIN
	UPDATE messages SET head = 1 WHERE seq = NEW.seq AND NOT EXISTS (
		SELECT 1 FROM messages o WHERE o.state IN (2, 3, 4) AND o.business_id = NEW.business_id
		AND o.conversation = NEW.conversation AND o.seq < NEW.seq);
END;
CREATE TRIGGER outbox_leaves AFTER UPDATE OF state ON messages
WHEN OLD.state IN (2, 3, 4) AND NEW.state NOT IN (2, 3, 4)
BEGIN
	UPDATE messages SET head = 0 WHERE seq = NEW.seq;
	UPDATE messages SET head = 1 WHERE seq = (
		SELECT o.seq FROM messages o WHERE o.state IN (2, 3, 4) AND o.business_id = NEW.business_id
		AND o.conversation = NEW.conversation ORDER BY o.seq LIMIT 1);
END;

CREATE TABLE products (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	name_key TEXT NOT NULL,
	aliases TEXT NOT NULL,
	price TEXT NOT NULL,
	currency TEXT NOT NULL,
	stock INTEGER NOT NULL CHECK (stock >= -1),
	unit TEXT NOT NULL,
	UNIQUE (business_id, id),
	UNIQUE (business_id, name_key)
) STRICT;
CREATE INDEX products_business ON products (business_id, seq);

CREATE TABLE tokens (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	hash BLOB NOT NULL UNIQUE,
	last4 TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL
) STRICT;
