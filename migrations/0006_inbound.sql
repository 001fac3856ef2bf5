-- Webhooks at full speed, and what they say.

-- What is accepted is written in the order in which it came, into no index that is sorted by anything else: a shop's own
-- list gets an event when it is settled. Those that wait are few, and tell whose they are. So no index holds all events
-- of a shop, and the foreign key that would need one goes, as SQLite's documentation of ALTER TABLE has it; what is left
-- of a shop is removed table by table anyway.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE',
	'business_id TEXT NOT NULL') WHERE type = 'table' AND name = 'events';
PRAGMA writable_schema = RESET;
DROP INDEX events_business;
CREATE INDEX events_business ON events (business_id, seq) WHERE state > 1;
DROP INDEX events_whole;
CREATE INDEX events_whole ON events (received_at) WHERE body IS NOT NULL AND state > 1;
DROP INDEX events_unsettled;
CREATE INDEX events_unsettled ON events (seq, business_id) WHERE state = 1;

-- As before, but that a list of three values would be made a table of its own for every message that is added.
DROP INDEX messages_letters;
CREATE INDEX messages_letters ON messages (seq) WHERE direction = 2 AND state >= 8 AND state <= 10;
DROP INDEX outbox_conversation;
CREATE INDEX outbox_conversation ON messages (business_id, conversation, seq) WHERE state >= 2 AND state <= 4;
DROP TRIGGER outbox_arrives;
CREATE TRIGGER outbox_arrives AFTER INSERT ON messages
WHEN NEW.state >= 2 AND NEW.state <= 4
BEGIN
	UPDATE messages SET head = 1 WHERE seq = NEW.seq AND NOT EXISTS (
		SELECT 1 FROM messages o WHERE o.state >= 2 AND o.state <= 4 AND o.business_id = NEW.business_id
		AND o.conversation = NEW.conversation AND o.seq < NEW.seq);
END;
DROP TRIGGER outbox_leaves;
CREATE TRIGGER outbox_leaves AFTER UPDATE OF state ON messages
WHEN OLD.state >= 2 AND OLD.state <= 4 AND (NEW.state < 2 OR NEW.state > 4)
BEGIN
	UPDATE messages SET head = 0 WHERE seq = NEW.seq;
	UPDATE messages SET head = 1 WHERE seq = (
		SELECT o.seq FROM messages o WHERE o.state >= 2 AND o.state <= 4 AND o.business_id = NEW.business_id
		AND o.conversation = NEW.conversation ORDER BY o.seq LIMIT 1);
END;

-- What came of the webhooks of a connection: when one was accepted last, when one was refused or put aside last and why
-- (a code of gateway/delivery.h), and how many were since one was accepted.
CREATE TABLE deliveries (
	connection_id TEXT PRIMARY KEY NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
	accepted_at INTEGER NOT NULL,
	refused_at INTEGER NOT NULL,
	refused_why TEXT NOT NULL,
	refused_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- A business's events of which something was put aside, and nothing else.
CREATE INDEX events_quarantined ON events (business_id, seq) WHERE quarantined > 0;

-- Every kind. what: the update in a word or two, nothing of a customer's.
ALTER TABLE updates ADD COLUMN what TEXT NOT NULL DEFAULT '';

-- standby: another handler (Meta's agent) had the conversation then. echo: sent by the owner in the WhatsApp app, or by
-- that handler, never by us. concerns: the blind index of the provider's id of the message that this one edits (relation
-- 1), revokes (2), reacts to (3) or takes the reaction from (4). played_at: a voice message that was listened to.
ALTER TABLE messages ADD COLUMN standby INTEGER NOT NULL DEFAULT 0 CHECK (standby IN (0, 1));
ALTER TABLE messages ADD COLUMN echo INTEGER NOT NULL DEFAULT 0 CHECK (echo IN (0, 1));
ALTER TABLE messages ADD COLUMN relation INTEGER NOT NULL DEFAULT 0 CHECK (relation BETWEEN 0 AND 4);
ALTER TABLE messages ADD COLUMN concerns BLOB;
ALTER TABLE messages ADD COLUMN played_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_concerns ON messages (business_id, concerns) WHERE concerns IS NOT NULL;

-- Who answers a conversation: 1 this house, 2 another handler, since at by the provider's clock. No row: nobody else ever
-- did.
CREATE TABLE controls (
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	conversation BLOB NOT NULL,
	holder INTEGER NOT NULL CHECK (holder IN (1, 2)),
	at INTEGER NOT NULL,
	PRIMARY KEY (business_id, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX controls_at ON controls (at);

-- A customer has a phone number and a user id, and either may change: another index (alias) of the same conversation, and
-- the one that it goes under, which was known first and is never an alias itself.
CREATE TABLE aliases (
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	alias BLOB NOT NULL,
	conversation BLOB NOT NULL,
	PRIMARY KEY (business_id, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_conversation ON aliases (business_id, conversation);

-- What the provider told of a connection's account or number by itself, the newest of each finding (as gateway/finding.h
-- numbers them), by the provider's clock. is_over: it told that this is past. until: then it is past anyway.
CREATE TABLE notices (
	connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
	finding INTEGER NOT NULL,
	business_id TEXT NOT NULL,
	at INTEGER NOT NULL,
	until INTEGER NOT NULL,
	is_over INTEGER NOT NULL CHECK (is_over IN (0, 1)),
	detail TEXT NOT NULL,
	PRIMARY KEY (connection_id, finding)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_business ON notices (business_id);

-- Whether the business's platform is told of every update, and not of questions and statuses alone.
ALTER TABLE businesses ADD COLUMN all_updates INTEGER NOT NULL DEFAULT 0 CHECK (all_updates IN (0, 1));

-- An event with many updates is settled piece by piece, so that it holds up nobody: how many are done, and what came of
-- them. The row goes with the last piece.
CREATE TABLE settling (
	event_id TEXT PRIMARY KEY NOT NULL REFERENCES events (id) ON DELETE CASCADE,
	done INTEGER NOT NULL CHECK (done > 0),
	delivered INTEGER NOT NULL,
	quarantined INTEGER NOT NULL,
	duplicates INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
