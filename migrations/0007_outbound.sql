-- Sends that are fair and never doubled, and the keys of ours by which clients ask for them.

-- policy: 1 at most once, 2 at least once (an attempt whose outcome is not known is repeated, and the message marked
-- maybe_duplicate). expires_at: not sent after it; 0: a day after it was made, as all that was there before.
-- discarded_at: a dead letter that nobody wants to see again.
ALTER TABLE messages ADD COLUMN policy INTEGER NOT NULL DEFAULT 1 CHECK (policy IN (1, 2));
ALTER TABLE messages ADD COLUMN maybe_duplicate INTEGER NOT NULL DEFAULT 0 CHECK (maybe_duplicate IN (0, 1));
ALTER TABLE messages ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN discarded_at INTEGER NOT NULL DEFAULT 0;
DROP INDEX messages_letters;
CREATE INDEX messages_letters ON messages (seq)
	WHERE direction = 2 AND state >= 8 AND state <= 10 AND discarded_at = 0;

-- Messages a second that the provider takes from the connection's number; 0: as most, 80.
ALTER TABLE connections ADD COLUMN mps INTEGER NOT NULL DEFAULT 0;

-- Whether a message that is no template is refused here when the customer last wrote more than 24 hours ago.
ALTER TABLE businesses ADD COLUMN window_checked INTEGER NOT NULL DEFAULT 1 CHECK (window_checked IN (0, 1));

-- once.status 1: its message is noted, and may have been accepted; there is no answer yet.
DROP INDEX once_in_flight;
CREATE INDEX once_in_flight ON once (at) WHERE status <= 1;

-- When a customer last rang: from then on he may be written to freely, as after a message of his. It leaves no row in the log.
CREATE TABLE calls (
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	conversation BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (business_id, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_at ON calls (at);

-- Virtual keys: each stands for a business's real ones towards one consumer, and is found by its hash. scopes: bits, as
-- enum store_scope. numbers: phone_number_ids with a space between, '' for all. rate: calls a minute, budget: messages a
-- day (UTC); 0: as many as they like. expires_at 0: never. refused: when a call with it was refused last, why, and how
-- many were.
CREATE TABLE virtual_keys (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	hash BLOB NOT NULL UNIQUE,
	last4 TEXT NOT NULL,
	scopes INTEGER NOT NULL,
	numbers TEXT NOT NULL,
	rate INTEGER NOT NULL,
	budget INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL DEFAULT 0,
	used_at INTEGER NOT NULL DEFAULT 0,
	refused_at INTEGER NOT NULL DEFAULT 0,
	refused_why TEXT NOT NULL DEFAULT '',
	refused_count INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX virtual_keys_business ON virtual_keys (business_id, seq);
CREATE INDEX virtual_keys_name ON virtual_keys (business_id, name) WHERE revoked_at = 0;
CREATE INDEX virtual_keys_revoked ON virtual_keys (revoked_at) WHERE revoked_at > 0;
CREATE INDEX virtual_keys_expires ON virtual_keys (expires_at) WHERE expires_at > 0;
CREATE TABLE virtual_key_days (
	key_id TEXT NOT NULL REFERENCES virtual_keys (id) ON DELETE CASCADE,
	day INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	PRIMARY KEY (key_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX virtual_key_days_day ON virtual_key_days (day);
