-- Keys that are replaced while the service runs, and who used which when.

-- Who did what with a secret or a setting; no value of either. hash is that of the row before and of this row: rows
-- hang together, and the vault's seal of the newest is in audit_heads. A business may go while its rows stay.
CREATE TABLE audit (
	seq INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	actor TEXT NOT NULL,
	business_id TEXT NOT NULL,
	action TEXT NOT NULL,
	subject TEXT NOT NULL,
	purpose TEXT NOT NULL,
	job TEXT NOT NULL,
	value BLOB NOT NULL,
	hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_business ON audit (business_id, seq);
CREATE INDEX audit_broken ON audit (seq) WHERE action = 'audit_broken';

-- seq is the last row that a seal covers, at when the vault made it. refused counts what the vault was asked by who may
-- not, undone the groups of rows that it sealed and then sealed otherwise. The newest is kept, and one of each hour.
CREATE TABLE audit_heads (
	seq INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	hash BLOB NOT NULL,
	refused INTEGER NOT NULL,
	undone INTEGER NOT NULL,
	mac BLOB NOT NULL
) STRICT;

-- A tenant key that is being replaced: state 1, what older versions sealed is sealed anew under this version, place and
-- cursor say how far that has come; 2, nothing was left when scanned_at, and what was on its way then may still arrive.
-- The older versions go with this row.
ALTER TABLE tenant_keys ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tenant_keys_master ON tenant_keys (master_key_id);
CREATE TABLE rotations (
	business_id TEXT NOT NULL,
	purpose INTEGER NOT NULL,
	version INTEGER NOT NULL,
	state INTEGER NOT NULL CHECK (state IN (1, 2)),
	place INTEGER NOT NULL,
	cursor INTEGER NOT NULL,
	done INTEGER NOT NULL,
	total INTEGER NOT NULL,
	started_at INTEGER NOT NULL,
	scanned_at INTEGER NOT NULL,
	PRIMARY KEY (business_id, purpose)
) STRICT, WITHOUT ROWID;

-- A secret that was replaced stays beside the new one until ends_at; proven_at is when one first worked. newest is the
-- highest version that was given at its place where that one is gone again: no version is given twice. refused_at: the
-- provider refused a newer one then, and this one took its place again. What was there before counts as proven.
ALTER TABLE credentials ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN proven_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN refused_at INTEGER NOT NULL DEFAULT 0;
UPDATE credentials SET proven_at = created_at WHERE slot = 1;
UPDATE credentials SET ends_at = unixepoch() * 1000 + 604800000 WHERE slot = 2;
CREATE INDEX credentials_ending ON credentials (ends_at) WHERE ends_at > 0;
ALTER TABLE connections ADD COLUMN previous_verify_token TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN previous_verify_token_ends_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX connections_token_ending ON connections (previous_verify_token_ends_at)
	WHERE previous_verify_token_ends_at > 0;

-- A business whose removal has begun: its keys are gone, it is not found any more, and what is left goes in steps, also
-- after a restart. 0: it has not.
ALTER TABLE businesses ADD COLUMN removing_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX businesses_removing ON businesses (removing_at) WHERE removing_at > 0;
