-- Settings links and the sessions they open, and what a provider says of a connection's number and token.

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
