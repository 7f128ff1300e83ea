-- An Earmark store in PostgreSQL: its tables, and who is who. What the numbered files make is changed by later ones; all
-- functions but the first that is asked, and the one that it asks, stand in `functions`, as they are now, and are made
-- again after the last file.
-- Where they alone change, a file with no more than words has the number.
--
-- Everything lies in the schema `earmark` and belongs to a role that nobody can log in as. Whoever reviews or
-- supervises may call functions and do nothing else: the functions act with the owner's rights (SECURITY DEFINER) under
-- a search path of their own, and take the caller's name from `session_user`, which neither SET ROLE nor an argument
-- changes. Errors of the class EM are ours, and meant to be read: EM001 is a refusal, EM002 anything else.
--
-- Times are Unix seconds by the server's clock. Ids compare byte by byte, whatever the database's locale.

-- The store's own id, and its secrets, sealed under the master key.
CREATE TABLE meta (
    name text PRIMARY KEY,
    value bytea NOT NULL
);

-- What a supervisor decides for everybody: seconds that a critical clip is held, the longest lease (seconds), how many
-- clips a reviewer may be given anew a day (NULL: any number), and where the sealed audio lies.
CREATE TABLE policy (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    critical_hold double precision NOT NULL DEFAULT 604800 CHECK (critical_hold >= 0),
    longest_lease double precision NOT NULL DEFAULT 604800 CHECK (longest_lease > 0),
    lease_cap integer CHECK (lease_cap > 0),
    audio text NOT NULL
);

-- In whose name a login role reviews.
CREATE TABLE person (
    role name PRIMARY KEY,
    reviewer text COLLATE "C" NOT NULL UNIQUE CHECK (reviewer <> '' AND length(reviewer) <= 200)
);

-- What a clip is. All but id, arrival, duration, rate and object is NULL once it is withdrawn. subject is a keyed
-- pseudonym, object the name of the sealed audio, drawn at random.
CREATE TABLE clip (
    id text COLLATE "C" PRIMARY KEY,
    arrival bigint GENERATED ALWAYS AS IDENTITY,
    lang text,
    duration double precision NOT NULL,
    rate integer NOT NULL,
    subject bytea,
    source text,
    hypothesis text,
    peaks bytea,
    object text NOT NULL
);

CREATE INDEX clip_subject ON clip (subject) WHERE subject IS NOT NULL;

-- Where a clip stands, apart from what it is: this row is rewritten with each lease and decision, so it is kept short.
-- owner, lease and lease_until go together; a decided clip may keep them, so that its reviewer can hear it again.
CREATE TABLE work (
    clip text COLLATE "C" PRIMARY KEY,
    arrival bigint NOT NULL,
    lang text,
    priority integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'leased', 'done', 'escalated', 'critical', 'withdrawn')),
    owner text COLLATE "C",
    lease text COLLATE "C",
    lease_until double precision
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX work_open ON work (priority DESC, arrival) WHERE state = 'open';
CREATE INDEX work_open_lang ON work (lang, priority DESC, arrival) WHERE state = 'open';
CREATE INDEX work_owner ON work (owner) WHERE owner IS NOT NULL;
CREATE INDEX work_lease_until ON work (lease_until) WHERE lease_until IS NOT NULL;

-- The key that a clip's audio is sealed under, itself sealed under the master key. No row: nobody can hear the clip.
CREATE TABLE clip_key (
    clip text COLLATE "C" PRIMARY KEY REFERENCES clip (id),
    key bytea NOT NULL,
    destroy_after double precision
);

CREATE INDEX clip_key_destroy ON clip_key (destroy_after) WHERE destroy_after IS NOT NULL;

-- Sealed audio that nobody can open any more, until somebody who can reach it has removed it.
CREATE TABLE rubbish (
    object text PRIMARY KEY
);

-- How far each device's journal has arrived.
CREATE TABLE device (
    id text COLLATE "C" PRIMARY KEY,
    reviewer text COLLATE "C" NOT NULL,
    last_seq bigint NOT NULL DEFAULT 0,
    last_chain text COLLATE "C" NOT NULL DEFAULT '',
    forked_at double precision
);

-- Journal lines as they arrived. envelope is text, for the chain is over its exact bytes; payload can be erased.
-- verdict is NULL for drafts and erasures. late: when the decision arrived, its reviewer did not hold the clip's lease.
-- xact is the transaction that brought the line, by which an export knows what it had seen when it began. No foreign
-- keys: one function writes here, having looked both up, and checking again would cost a fifth of its time.
CREATE TABLE line (
    arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL UNIQUE,
    reviewer text COLLATE "C" NOT NULL,
    clip text COLLATE "C" NOT NULL,
    verdict text COLLATE "C",
    late boolean NOT NULL,
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    chain text COLLATE "C" NOT NULL,
    envelope text COLLATE "C" NOT NULL,
    payload text COLLATE "C",
    UNIQUE (device, seq)
);

CREATE INDEX line_decision ON line (clip, reviewer, arrival) INCLUDE (verdict) WHERE verdict IS NOT NULL;
CREATE INDEX line_skipped ON line (reviewer, clip) WHERE verdict = 'skipped';
CREATE INDEX line_xact ON line (xact);

-- The decision that stands: the last to arrive from each reviewer on each clip.
CREATE VIEW latest AS
SELECT * FROM line AS this
WHERE verdict IS NOT NULL AND NOT EXISTS (
    SELECT FROM line AS later
    WHERE later.clip = this.clip AND later.reviewer = this.reviewer AND later.verdict IS NOT NULL
        AND later.arrival > this.arrival
);

-- Journal lines that were set aside. No text.
CREATE TABLE quarantine (
    device text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    clip text COLLATE "C",
    reason text NOT NULL,
    PRIMARY KEY (device, seq)
);

-- Withdrawn clips, and the number of the last: withdrawals take it in turn, each until it is committed, so that no
-- number ever appears behind one that somebody has read. (Numbers from a sequence would; and waiting until no older
-- transaction runs, as a feed of many writers must, would hold withdrawals up behind any long one.)
CREATE TABLE tombstone (
    epoch bigint PRIMARY KEY,
    clip text COLLATE "C" NOT NULL UNIQUE,
    at double precision NOT NULL
);

CREATE TABLE last_epoch (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    epoch bigint NOT NULL
);

INSERT INTO last_epoch (epoch) VALUES (0);

-- Pseudonyms of the people who want none of their recordings here, now or later.
CREATE TABLE opt_out (
    subject bytea PRIMARY KEY,
    at double precision NOT NULL
);

-- How many clips a reviewer has been given anew on a day (days since 1970, UTC).
CREATE TABLE drawn (
    reviewer text COLLATE "C",
    day integer,
    clips integer NOT NULL,
    PRIMARY KEY (reviewer, day)
);

-- Who did what when, and which way it came in: an entry for each push, lease, load, withdrawal and purge.
CREATE TABLE audit (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at double precision NOT NULL,
    role name NOT NULL,
    reviewer text COLLATE "C",
    what text NOT NULL,
    via text NOT NULL,
    device text COLLATE "C",
    first_seq bigint,
    last_seq bigint,
    clips text[] COLLATE "C"
);

CREATE FUNCTION supervises() RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT pg_has_role(session_user, :'supervisor', 'MEMBER') $$;

-- What a program asks first. Its name, arguments and the key `version` stay as they are in every later schema.
CREATE FUNCTION hello() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT jsonb_build_object(
        'version', (SELECT max(version) FROM migration),
        'store', (SELECT encode(value, 'hex') FROM meta WHERE name = 'store'),
        'master', (SELECT encode(value, 'hex') FROM meta WHERE name = 'master'),
        'audio', (SELECT audio FROM policy),
        'reviewer', (SELECT reviewer FROM person WHERE role = session_user),
        'supervisor', supervises()
    )
$$;

GRANT EXECUTE ON FUNCTION hello() TO :"reviewer";
