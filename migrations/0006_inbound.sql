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
