-- A database of schema v2. Never change it.
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
	room      BOOLEAN NOT NULL DEFAULT false,

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
	sent         BIGINT,
	-- Who speaks in a room; empty where the handle says it.
	speaker      TEXT NOT NULL DEFAULT '',
	own          BOOLEAN NOT NULL DEFAULT false,
	style        TEXT NOT NULL DEFAULT ''
);
CREATE TABLE seen_message (
	account    TEXT   NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network    TEXT   NOT NULL,
	message_id TEXT   NOT NULL,
	seen       BIGINT NOT NULL,
	-- The chat and the id that others use for it, NULL where there is no text.
	chat       TEXT,
	ref        TEXT,
	-- Empty for the account itself.
	author     TEXT   NOT NULL DEFAULT '',
	quote      TEXT   NOT NULL DEFAULT '',

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
	created      BIGINT NOT NULL,
	style        TEXT   NOT NULL DEFAULT '',
	message_id   TEXT   NOT NULL DEFAULT ''
);
CREATE TABLE setting (
	account TEXT NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	name    TEXT NOT NULL,
	value   TEXT NOT NULL,

	PRIMARY KEY (account, name)
);
CREATE TABLE network_memory (
	account TEXT NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network TEXT NOT NULL,
	name    TEXT NOT NULL,
	value   TEXT NOT NULL,

	PRIMARY KEY (account, network, name)
) WITHOUT ROWID;
CREATE TABLE sign_up (
	account TEXT NOT NULL PRIMARY KEY REFERENCES account (handle) ON DELETE CASCADE,
	network TEXT NOT NULL,
	person  TEXT NOT NULL,

	UNIQUE (network, person)
);
CREATE TABLE media (
	id      TEXT   NOT NULL PRIMARY KEY,
	account TEXT   NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network TEXT   NOT NULL,
	-- The message that it came with.
	message TEXT   NOT NULL,
	source  TEXT   NOT NULL,
	name    TEXT   NOT NULL,
	type    TEXT   NOT NULL,
	size    BIGINT NOT NULL,
	voice   BOOLEAN NOT NULL,
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX password_account_idx ON password (account);
CREATE INDEX list_entry_handle_idx ON list_entry (handle, list);
CREATE INDEX inbox_account_idx ON inbox (account);
CREATE INDEX seen_message_seen_idx ON seen_message (seen);
CREATE INDEX seen_message_ref_idx ON seen_message (account, network, ref) WHERE ref IS NOT NULL;
CREATE INDEX outbox_account_idx ON outbox (account, network);
CREATE INDEX media_expires_idx ON media (expires);
CREATE INDEX media_account_idx ON media (account);
INSERT INTO database_owner VALUES (0, 'papillon');
INSERT INTO version VALUES (2, 2);
INSERT INTO meta VALUES ('key_check', X'4864E7F26F198D18D3F7397689623F60390D12172F3DD51EA10202F8D8F7682B661FF74BEBB2E08D66798EF2DE354435');
INSERT INTO meta VALUES ('first_serial', X'32');
INSERT INTO account VALUES ('alice@example.org', 'Alice', 3, 'A', 'AL', 1795442895244);
INSERT INTO account VALUES ('bob@example.org', 'bob@example.org', 2, 'A', 'AL', 1795442895299);
INSERT INTO account_change VALUES (1, 'carol@example.org', 'added', 1795442895228);
INSERT INTO account_change VALUES (2, 'carol@example.org', 'removed', 1795442895238);
INSERT INTO account_change VALUES (3, 'alice@example.org', 'added', 1795442895249);
INSERT INTO account_change VALUES (4, 'alice@example.org', 'identity', 1795442895261);
INSERT INTO account_change VALUES (5, 'bob@example.org', 'added', 1795442895299);
INSERT INTO password VALUES (1, 'alice@example.org', 'desk', X'8925D4C1E0C7BE267216364EE9FE4A6E297360D589CF908102C99458934DF1ED52FC8742F47A0BF95DB7AE61C1B2DDD1C3FDF69D213B8C', 1795442895251, 1);
INSERT INTO password VALUES (2, 'bob@example.org', 'xmpp', X'6A4B310F7201557829D48B5A63A6C56154C2E9897DD02F629E13BE3D6A146166DB98F9F75E91BAC7F5840660FE6CF9', 1795442895300, NULL);
INSERT INTO identity VALUES ('alice@example.org', 'matrix', 'login', '@alice:hs', X'32CD29E1F04F71E21496B4CE04A37AFEA794FA2490157351FB0295F324CD2117AFA091D38E637A42BF55A38A48D1F20862230804');
INSERT INTO list_entry VALUES ('alice@example.org', 0, 'dave@remote.test', 'Dave', 3);
INSERT INTO contact VALUES ('dave@remote.test', 'matrix', '@dave:remote.test', 'Dave', 0);
INSERT INTO direct_chat VALUES ('alice@example.org', 'matrix', '@dave:remote.test', '!chat:hs');
INSERT INTO inbox VALUES (1, 'alice@example.org', 'matrix', 'dave@remote.test', '$frozen', '@dave:remote.test', '!group:remote.test', '@dave:remote.test', 'Dave', 'emote', 'waves
🦋 ''"', 1795342272345, '', 0, '');
INSERT INTO seen_message VALUES ('alice@example.org', 'matrix', '$frozen', 1795442895276, NULL, NULL, 'Dave', '');
INSERT INTO outbox VALUES (1, 'alice@example.org', 'matrix', 'send', '', '', 'frozen', 1795442895279, '', '');
INSERT INTO setting VALUES ('alice@example.org', 'edits', 'full');
INSERT INTO network_memory VALUES ('alice@example.org', 'xmpp', 'archive', '17');
INSERT INTO sign_up VALUES ('bob@example.org', 'xmpp', 'bob@jabber.example');
INSERT INTO media VALUES ('frozen', 'alice@example.org', 'xmpp', 'm 0', 'https://x/y', 'cat.jpg', 'image/jpeg', 7, 1, 1000000, 2000000);
INSERT INTO sqlite_sequence VALUES ('account_change', 5);
INSERT INTO sqlite_sequence VALUES ('password', 2);
INSERT INTO sqlite_sequence VALUES ('inbox', 1);
INSERT INTO sqlite_sequence VALUES ('outbox', 1);
