-- A database of schema v1. Never change it.
CREATE TABLE database_owner (
	key   INTEGER PRIMARY KEY DEFAULT 0,
	owner TEXT NOT NULL
);
CREATE TABLE version (version INTEGER, compat INTEGER);
CREATE TABLE meta (
	name  TEXT  NOT NULL PRIMARY KEY,
	value bytea NOT NULL
);
CREATE TABLE account (
	handle  TEXT   NOT NULL PRIMARY KEY,
	name    TEXT   NOT NULL,
	serial  BIGINT NOT NULL,
	prompt  TEXT   NOT NULL,
	privacy TEXT   NOT NULL,
	created BIGINT NOT NULL
);
CREATE TABLE account_change (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	handle  TEXT   NOT NULL,
	kind    TEXT   NOT NULL,
	changed BIGINT NOT NULL
);
CREATE TABLE password (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	account   TEXT   NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	label     TEXT   NOT NULL,
	sealed    bytea  NOT NULL,
	created   BIGINT NOT NULL,
	last_used BIGINT
);
CREATE TABLE identity (
	account     TEXT  NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network     TEXT  NOT NULL,
	kind        TEXT  NOT NULL,
	remote_id   TEXT  NOT NULL,
	-- NULL where the identity needs no credentials.
	credentials bytea,

	PRIMARY KEY (account, network)
);
CREATE TABLE list_entry (
	account TEXT     NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	-- 0 FL, 1 AL, 2 BL, 3 RL
	list    SMALLINT NOT NULL,
	handle  TEXT     NOT NULL,
	name    TEXT     NOT NULL,
	-- The account's serial that came with the entry: entries of a list in this
	-- order are in the order in which they were added.
	added   BIGINT   NOT NULL,

	PRIMARY KEY (account, list, handle)
) WITHOUT ROWID;
CREATE TABLE contact (
	handle    TEXT NOT NULL PRIMARY KEY,
	network   TEXT NOT NULL,
	remote_id TEXT NOT NULL,
	name      TEXT NOT NULL,

	UNIQUE (network, remote_id)
);
CREATE TABLE direct_chat (
	account TEXT NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network TEXT NOT NULL,
	contact TEXT NOT NULL,
	chat    TEXT NOT NULL,

	PRIMARY KEY (account, network, contact),
	UNIQUE (account, network, chat)
);
CREATE TABLE inbox (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	account      TEXT NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network      TEXT NOT NULL,
	handle       TEXT NOT NULL,
	message_id   TEXT NOT NULL,
	chat_contact TEXT NOT NULL,
	chat_group   TEXT NOT NULL,
	from_id      TEXT NOT NULL,
	from_name    TEXT NOT NULL,
	kind         TEXT NOT NULL,
	text         TEXT NOT NULL,
	sent         BIGINT
);
CREATE TABLE seen_message (
	account    TEXT   NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network    TEXT   NOT NULL,
	message_id TEXT   NOT NULL,
	seen       BIGINT NOT NULL,

	PRIMARY KEY (account, network, message_id)
) WITHOUT ROWID;
CREATE TABLE outbox (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	account      TEXT   NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network      TEXT   NOT NULL,
	kind         TEXT   NOT NULL,
	chat_contact TEXT   NOT NULL,
	chat_group   TEXT   NOT NULL,
	text         TEXT   NOT NULL,
	created      BIGINT NOT NULL
);
CREATE INDEX password_account_idx ON password (account);
CREATE INDEX list_entry_handle_idx ON list_entry (handle, list);
CREATE INDEX inbox_account_idx ON inbox (account);
CREATE INDEX seen_message_seen_idx ON seen_message (seen);
CREATE INDEX outbox_account_idx ON outbox (account, network);
INSERT INTO database_owner VALUES (0, 'papillon');
INSERT INTO version VALUES (1, 1);
INSERT INTO meta VALUES ('key_check', X'3D5C5CCC50CD9AA487B252471529C383427DB1BB6445956AA1160AD87EFA59358E5A9AFC77E8853E504F1FFE274212A3');
INSERT INTO meta VALUES ('first_serial', X'32');
INSERT INTO account VALUES ('alice@example.org', 'Alice', 3, 'A', 'AL', 1795432547534);
INSERT INTO account_change VALUES (1, 'carol@example.org', 'added', 1795432547532);
INSERT INTO account_change VALUES (2, 'carol@example.org', 'removed', 1795432547534);
INSERT INTO account_change VALUES (3, 'alice@example.org', 'added', 1795432547534);
INSERT INTO account_change VALUES (4, 'alice@example.org', 'identity', 1795432547536);
INSERT INTO password VALUES (1, 'alice@example.org', 'desk', X'504648E5D67CC686CAA65EDEF09B2F18BB07147500FFB184BC2B97BC6B03274B6731E1ACA6FC95B6F5A7967125D2B9949AB48A59791E47', 1795432547535, 1);
INSERT INTO identity VALUES ('alice@example.org', 'matrix', 'login', '@alice:hs', X'204108681FFD36C5E1892821EC784123BB3240976D4292D48C75F37502C77EC384B0A6529B32ED8D0F00524F81CD8976223A236E');
INSERT INTO list_entry VALUES ('alice@example.org', 0, 'dave@remote.test', 'Dave', 3);
INSERT INTO contact VALUES ('dave@remote.test', 'matrix', '@dave:remote.test', 'Dave');
INSERT INTO direct_chat VALUES ('alice@example.org', 'matrix', '@dave:remote.test', '!chat:hs');
INSERT INTO inbox VALUES (1, 'alice@example.org', 'matrix', 'dave@remote.test', '$frozen', '@dave:remote.test', '!group:remote.test', '@dave:remote.test', 'Dave', 'emote', 'waves
🦋 ''"', 1795342272345);
INSERT INTO seen_message VALUES ('alice@example.org', 'matrix', '$frozen', 1795432547538);
INSERT INTO outbox VALUES (1, 'alice@example.org', 'matrix', 'send', '', '', 'frozen', 1795432547539);
INSERT INTO sqlite_sequence VALUES ('account_change', 4);
INSERT INTO sqlite_sequence VALUES ('password', 1);
INSERT INTO sqlite_sequence VALUES ('inbox', 1);
INSERT INTO sqlite_sequence VALUES ('outbox', 1);
