-- Settings links and sessions, of shop owners and of the operator; what a provider says of a connection's number and
-- token; when it is asked again, and what state of it was told to the platform.

-- A link opens one session, once. Both are found by a hash of what the browser holds; session_hash is NULL until
-- the link was opened, and after the session's end was asked for.
CREATE TABLE settings_links (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	business_id TEXT NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
	link_hash BLOB NOT NULL UNIQUE,
	session_hash BLOB UNIQUE,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	opened_at INTEGER NOT NULL DEFAULT 0,
	ends_at INTEGER NOT NULL DEFAULT 0,
	seen_at INTEGER NOT NULL DEFAULT 0,
	revoked_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX settings_links_business ON settings_links (business_id, seq);
CREATE INDEX settings_links_created ON settings_links (created_at);

-- Texts are the provider's own words, '' where it did not say.
CREATE TABLE connection_facts (
	connection_id TEXT PRIMARY KEY NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
	looked_at INTEGER NOT NULL,
	token_expires_at INTEGER NOT NULL,
	number_status TEXT NOT NULL,
	name_status TEXT NOT NULL,
	quality TEXT NOT NULL,
	messaging_limit TEXT NOT NULL,
	throughput TEXT NOT NULL,
	can_send TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- check_at: when the provider is asked again. told: the state that the platform knows; tell_at: not to be told before,
-- 0 unless telling failed. What was there before is asked within six hours, not all at once.
ALTER TABLE connections ADD COLUMN check_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN state_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN told INTEGER NOT NULL DEFAULT 1;
ALTER TABLE connections ADD COLUMN tell_at INTEGER NOT NULL DEFAULT 0;
UPDATE connections SET told = status, state_at = updated_at,
	check_at = unixepoch() * 1000 + abs(random() % 21600000);
CREATE INDEX connections_check ON connections (check_at) WHERE status <> 6;
CREATE INDEX connections_untold ON connections (tell_at) WHERE told <> status;
CREATE TRIGGER connections_state AFTER UPDATE OF status ON connections
WHEN NEW.status <> OLD.status
BEGIN
	UPDATE connections SET state_at = NEW.updated_at, tell_at = 0 WHERE seq = NEW.seq;
END;

-- The operator's browsers: each came in by an admin token, and is known by a hash of what it holds. A row goes when its
-- session is ended; revoking the token ends it, too.
CREATE TABLE operator_sessions (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
	session_hash BLOB NOT NULL UNIQUE,
	created_at INTEGER NOT NULL,
	ends_at INTEGER NOT NULL,
	seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX operator_sessions_token ON operator_sessions (token_id);
CREATE INDEX operator_sessions_ends ON operator_sessions (ends_at);

-- What the operator looks through, of all businesses: each holds nothing else.
CREATE INDEX messages_letters ON messages (seq) WHERE direction = 2 AND state IN (8, 9, 10);
CREATE INDEX updates_quarantined ON updates (id) WHERE verdict = 2;
CREATE INDEX events_unparsed ON events (seq) WHERE state = 3;
