-- Withdrawals, numbered, each also written down outside the database, beside the audio: whoever restores an older dump
-- sees there that the database has forgotten some, and nobody is given a clip until they are in force again.

-- What every withdrawal does; whoever calls holds the row of last_epoch, so that numbers go up in the order in which
-- withdrawals are committed. Says how many clips were not withdrawn before, and which ids the store does not know.
-- p_number is the place of one that is replayed; NULL: a new one.
CREATE OR REPLACE FUNCTION take_back(
    p_clips text[], p_subject bytea, p_number bigint, p_at double precision, OUT fresh integer, OUT unknown text[]
)
LANGUAGE plpgsql AS $$
DECLARE
    gone text[];
    first_time boolean := false;
    number bigint := (SELECT epoch FROM last_epoch FOR UPDATE);
BEGIN
    IF p_subject IS NOT NULL THEN
        INSERT INTO opt_out (subject, at) VALUES (p_subject, p_at) ON CONFLICT DO NOTHING;
        first_time := FOUND;
    END IF;
    PERFORM FROM work WHERE clip = ANY (p_clips) ORDER BY clip FOR UPDATE;
    gone := ARRAY(
        SELECT clip FROM (
            SELECT clip, min(place) AS place FROM unnest(p_clips) WITH ORDINALITY AS given (clip, place) GROUP BY clip
        ) AS named JOIN work USING (clip) WHERE state <> 'withdrawn' ORDER BY place
    );
    unknown := ARRAY(
        SELECT clip FROM unnest(p_clips) WITH ORDINALITY AS given (clip, place)
        WHERE NOT EXISTS (SELECT FROM work WHERE work.clip = given.clip) ORDER BY place
    );
    fresh := cardinality(gone);
    UPDATE work SET state = 'withdrawn', owner = NULL, lease = NULL, lease_until = NULL, lang = NULL
    WHERE clip = ANY (gone);
    UPDATE clip SET subject = NULL, source = NULL, hypothesis = NULL, peaks = NULL, lang = NULL WHERE id = ANY (gone);
    DELETE FROM clip_key WHERE clip = ANY (gone);
    UPDATE line SET payload = NULL WHERE clip = ANY (gone) AND payload IS NOT NULL;
    INSERT INTO tombstone (epoch, clip, at)
    SELECT number + place, clip, p_at FROM unnest(gone) WITH ORDINALITY AS of (clip, place);
    UPDATE last_epoch SET epoch = number + fresh;
    -- Those withdrawn before as well: a program that died left their audio behind.
    INSERT INTO rubbish (object) SELECT object FROM clip JOIN work ON work.clip = clip.id
    WHERE clip.id = ANY (p_clips) AND work.state = 'withdrawn' AND object <> '' ON CONFLICT DO NOTHING;
    IF p_number IS NOT NULL THEN
        INSERT INTO withdrawal (number, at, subject, clips, outside)
        VALUES (p_number, p_at, p_subject, p_clips, true);
    ELSIF fresh > 0 OR first_time THEN
        INSERT INTO withdrawal (number, at, subject, clips)
        VALUES ((SELECT coalesce(max(withdrawal.number), 0) + 1 FROM withdrawal), p_at, p_subject, gone);
    END IF;
    PERFORM note(CASE WHEN p_number IS NULL THEN 'withdraw' ELSE 'replay' END, p_clips => gone);
END $$;

-- Leave of each clip its id, length and decisions' envelopes: no key, text, source or person. Says how many were not
-- withdrawn before, and which ids the store does not know.
CREATE OR REPLACE FUNCTION withdraw(p_clips text[], OUT fresh integer, OUT unknown text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    PERFORM FROM last_epoch FOR UPDATE;
    SELECT taken.fresh, taken.unknown INTO fresh, unknown FROM take_back(p_clips, NULL, NULL, clock()) AS taken;
END $$;

-- Refuse a person's clips from now on, and withdraw those that are here; says how many there were.
CREATE OR REPLACE FUNCTION withdraw_subject(p_subject bytea) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
DECLARE
    clips text[];
BEGIN
    PERFORM FROM last_epoch FOR UPDATE;
    clips := ARRAY(SELECT id FROM clip WHERE subject = p_subject ORDER BY arrival);
    PERFORM take_back(clips, p_subject, NULL, clock());
    RETURN cardinality(clips);
END $$;

-- The number of the last withdrawal that is in force, and of the last that is known to be written down outside.
CREATE OR REPLACE FUNCTION withdrawals(OUT in_force bigint, OUT outside bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    in_force := coalesce((SELECT number FROM withdrawal ORDER BY number DESC LIMIT 1), 0);
    outside := coalesce(
        (SELECT number - 1 FROM withdrawal WHERE NOT withdrawal.outside ORDER BY number LIMIT 1), in_force
    );
END $$;

-- The withdrawals that are still to be written down outside, in order.
CREATE OR REPLACE FUNCTION not_outside() RETURNS TABLE (number bigint, at double precision, subject bytea, clips text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT number, at, subject, clips FROM withdrawal WHERE NOT outside ORDER BY number
$$;

CREATE OR REPLACE FUNCTION is_outside(p_number bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    UPDATE withdrawal SET outside = true WHERE number = p_number AND NOT outside
$$;

-- The log outside is lost: all is to be written down again.
CREATE OR REPLACE FUNCTION nothing_outside() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    UPDATE withdrawal SET outside = false WHERE outside;
    SELECT note('log lost')
$$;

-- Put a withdrawal in force that was written down outside and that this database has forgotten, in its place: what was
-- withdrawn here meanwhile, and is not outside yet, comes after it. Of a clip that the database has never heard of a
-- withdrawn one is made, so that it cannot be loaded again. Says how many clips it took.
CREATE OR REPLACE FUNCTION replay(p_number bigint, p_at double precision, p_subject bytea, p_clips text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
DECLARE
    taken integer;
BEGIN
    PERFORM FROM last_epoch FOR UPDATE;
    IF p_number <> (SELECT outside + 1 FROM withdrawals()) THEN
        PERFORM refuse('somebody else replays withdrawals here at this moment: run it again');
    END IF;
    UPDATE withdrawal SET number = number + 1 WHERE NOT outside;
    WITH made AS (
        INSERT INTO clip (id, duration, rate, object) SELECT DISTINCT clip, 0.0, 0, '' FROM unnest(p_clips) AS clip
        ON CONFLICT (id) DO NOTHING RETURNING id, arrival
    )
    INSERT INTO work (clip, arrival) SELECT id, arrival FROM made;
    -- Those of that person that the dump has and the log does not name, too.
    SELECT fresh INTO taken FROM take_back(
        p_clips || ARRAY(SELECT id FROM clip WHERE subject = p_subject AND id <> ALL (p_clips) ORDER BY arrival),
        p_subject, p_number, p_at
    );
    RETURN taken;
END $$;

GRANT EXECUTE ON FUNCTION withdrawals() TO :"reviewer";
GRANT EXECUTE ON FUNCTION
    withdraw(text[]), withdraw_subject(bytea), not_outside(), is_outside(bigint), nothing_outside(),
    replay(bigint, double precision, bytea, text[])
TO :"supervisor";
