-- An Earmark store in SQLite, version 2. Every statement may run twice: programs that open a new store, or one of an
-- older version, at the same time each run the whole file, one after the other.

-- The store's own id and its secret keys.
CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- What holds for everybody: how many different reviewers must have decided a clip before it is done.
CREATE TABLE IF NOT EXISTS policy (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    opinions INTEGER NOT NULL DEFAULT 1 CHECK (opinions BETWEEN 1 AND 9)
) STRICT;

INSERT OR IGNORE INTO policy (only_one) VALUES (1);

-- hypothesis is JSON, and it, peaks, subject and source are NULL once the clip is withdrawn. subject is a keyed
-- pseudonym. owner, lease and lease_until go together; a decided clip may keep them, so that its reviewer can hear it
-- again. So an open clip that has an owner is one on which its owner has a standing opinion while more are wanted, and a
-- leased one is one on which its owner has none. Times are Unix seconds.
CREATE TABLE IF NOT EXISTS clip (
    arrival INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    lang TEXT,
    duration REAL NOT NULL,
    rate INTEGER NOT NULL,
    subject BLOB,
    priority INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'leased', 'done', 'escalated', 'critical', 'withdrawn')),
    owner TEXT,
    lease TEXT,
    lease_until REAL,
    source TEXT,
    hypothesis BLOB,
    peaks BLOB
) STRICT;

CREATE INDEX IF NOT EXISTS clip_open ON clip (priority DESC, arrival) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS clip_open_lang ON clip (lang, priority DESC, arrival) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS clip_owner ON clip (owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS clip_lease_until ON clip (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS clip_state ON clip (state);
CREATE INDEX IF NOT EXISTS clip_subject ON clip (subject) WHERE subject IS NOT NULL;

-- The key that a clip's audio is sealed under. No row: nobody can hear the clip any more.
CREATE TABLE IF NOT EXISTS clip_key (
    clip TEXT PRIMARY KEY REFERENCES clip (id),
    key BLOB NOT NULL,
    destroy_after REAL
) STRICT;

CREATE INDEX IF NOT EXISTS clip_key_destroy ON clip_key (destroy_after) WHERE destroy_after IS NOT NULL;

-- How far each device's journal has arrived.
CREATE TABLE IF NOT EXISTS device (
    id TEXT PRIMARY KEY,
    reviewer TEXT NOT NULL,
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_chain TEXT NOT NULL DEFAULT '',
    forked_at REAL
) STRICT;

-- Journal lines as they arrived. envelope holds the exact bytes, which the chain is over; payload can be erased.
-- verdict is NULL for drafts and erasures.
CREATE TABLE IF NOT EXISTS line (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    device TEXT NOT NULL REFERENCES device (id),
    seq INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    reviewer TEXT NOT NULL,
    clip TEXT NOT NULL REFERENCES clip (id),
    verdict TEXT,
    chain TEXT NOT NULL,
    envelope TEXT NOT NULL,
    payload TEXT,
    UNIQUE (device, seq)
) STRICT;

CREATE INDEX IF NOT EXISTS line_decision ON line (clip, reviewer, arrival, verdict) WHERE verdict IS NOT NULL;
CREATE INDEX IF NOT EXISTS line_skipped ON line (reviewer, clip) WHERE verdict = 'skipped';
CREATE INDEX IF NOT EXISTS line_payload ON line (clip) WHERE payload IS NOT NULL;

-- The decision that stands: the last to arrive from each reviewer on each clip.
CREATE VIEW IF NOT EXISTS latest AS
SELECT * FROM line AS this
WHERE verdict IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM line AS later
    WHERE later.clip = this.clip AND later.reviewer = this.reviewer AND later.verdict IS NOT NULL
        AND later.arrival > this.arrival
);

-- The opinions that stand: which reviewers have decided a clip, the text being there where the verdict has one.
CREATE VIEW IF NOT EXISTS opinion AS
SELECT clip, reviewer FROM latest
WHERE verdict = 'unintelligible' OR verdict IN ('accepted', 'corrected') AND payload IS NOT NULL;

-- Journal lines that were set aside. No text.
CREATE TABLE IF NOT EXISTS quarantine (
    device TEXT NOT NULL REFERENCES device (id),
    seq INTEGER NOT NULL,
    clip TEXT,
    reason TEXT NOT NULL,
    PRIMARY KEY (device, seq)
) STRICT;

-- Withdrawn clips. A clip's id is a keyed digest of its sound, so that the sound is known again whatever its file is
-- called.
CREATE TABLE IF NOT EXISTS tombstone (
    epoch INTEGER PRIMARY KEY AUTOINCREMENT,
    clip TEXT NOT NULL UNIQUE REFERENCES clip (id),
    at REAL NOT NULL
) STRICT;

-- Pseudonyms of the people who want none of their recordings here, now or later.
CREATE TABLE IF NOT EXISTS opt_out (
    subject BLOB PRIMARY KEY,
    at REAL NOT NULL
) STRICT;

PRAGMA user_version = 2;
