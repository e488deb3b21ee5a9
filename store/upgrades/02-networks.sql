-- v1 -> v2 (compatible with v2+): Rosters, rooms, quotes, media links and sign-ups

ALTER TABLE contact ADD COLUMN room      BOOLEAN NOT NULL DEFAULT false;

ALTER TABLE inbox ADD COLUMN speaker      TEXT NOT NULL DEFAULT '';
ALTER TABLE inbox ADD COLUMN own          BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE inbox ADD COLUMN style        TEXT NOT NULL DEFAULT '';

ALTER TABLE seen_message ADD COLUMN chat       TEXT;
ALTER TABLE seen_message ADD COLUMN ref        TEXT;
ALTER TABLE seen_message ADD COLUMN author     TEXT   NOT NULL DEFAULT '';
ALTER TABLE seen_message ADD COLUMN quote      TEXT   NOT NULL DEFAULT '';

CREATE INDEX seen_message_ref_idx ON seen_message (account, network, ref) WHERE ref IS NOT NULL;

ALTER TABLE outbox ADD COLUMN style        TEXT   NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN message_id   TEXT   NOT NULL DEFAULT '';

CREATE TABLE setting (
	account TEXT NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	name    TEXT NOT NULL,
	value   TEXT NOT NULL,

	PRIMARY KEY (account, name)
);

-- What a network remembers for an account, in words of its own.
CREATE TABLE network_memory (
	account TEXT NOT NULL REFERENCES account (handle) ON DELETE CASCADE,
	network TEXT NOT NULL,
	name    TEXT NOT NULL,
	value   TEXT NOT NULL,

	PRIMARY KEY (account, network, name)
	-- only: postgres
);
	-- only: sqlite (line commented)
--) WITHOUT ROWID;

-- The accounts that people of networks made for themselves.
CREATE TABLE sign_up (
	account TEXT NOT NULL PRIMARY KEY REFERENCES account (handle) ON DELETE CASCADE,
	network TEXT NOT NULL,
	person  TEXT NOT NULL,

	UNIQUE (network, person)
);

-- What stands behind the links to pictures and files.
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

CREATE INDEX media_expires_idx ON media (expires);
CREATE INDEX media_account_idx ON media (account);
