-- Withdrawals are numbered, and each is also written down outside the database, beside the audio: whoever restores an
-- older dump sees there that the database has forgotten some, and nobody is given a clip until they are in force again.

-- Every withdrawal in order, numbered from 1 without a gap: whose clips (a pseudonym) where a person took them back,
-- and which clips went. outside: it is written down outside the database. Those that are not are the last ones.
CREATE TABLE withdrawal (
    number bigint PRIMARY KEY DEFERRABLE,
    at double precision NOT NULL,
    subject bytea,
    clips text[] COLLATE "C" NOT NULL,
    outside boolean NOT NULL DEFAULT false
);

CREATE INDEX withdrawal_inside ON withdrawal (number) WHERE NOT outside;

INSERT INTO withdrawal (number, at, clips)
SELECT 1, max(at), array_agg(clip ORDER BY epoch) FROM tombstone HAVING count(*) > 0;

INSERT INTO withdrawal (number, at, subject, clips)
SELECT (SELECT count(*) FROM withdrawal) + row_number() OVER (ORDER BY at, subject), at, subject, '{}' FROM opt_out;
