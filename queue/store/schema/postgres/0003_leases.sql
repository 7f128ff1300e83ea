-- Leases: who may review what until when. Rows that may be waited for are locked in the order of their clips, others
-- are passed over while somebody has them (SKIP LOCKED), so that nobody waits in a circle.
--
-- Functions that are called all day name what the planner must not do: it plans without knowing the values, and where
-- statistics are missing or old it would read, or sort, millions of open clips to find fifty.

CREATE FUNCTION skipped(p_reviewer text, p_clip text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT verdict = 'skipped' FROM line
        WHERE clip = p_clip AND reviewer = p_reviewer AND verdict IS NOT NULL ORDER BY arrival DESC LIMIT 1
    ), false)
$$;

CREATE FUNCTION lease_until_of(p_seconds double precision) RETURNS double precision
LANGUAGE sql AS $$ SELECT clock() + greatest(least(p_seconds, longest_lease), 0) FROM policy $$;

CREATE FUNCTION check_clips(p_clips text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF cardinality(p_clips) > 10000 THEN
        PERFORM refuse('more clips than the store takes at once: ask for fewer');
    END IF;
END $$;

-- Give clips whose lease has run out back to the pool: so many at a time that nobody who leases waits for long.
CREATE FUNCTION expire(p_now double precision) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    returned integer;
BEGIN
    FOR round IN 1..5 LOOP
        UPDATE work SET owner = NULL, lease = NULL, lease_until = NULL,
            state = CASE state WHEN 'leased' THEN 'open' ELSE state END
        WHERE clip = ANY (ARRAY(
            SELECT clip FROM work WHERE lease_until <= p_now ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED
        ));
        GET DIAGNOSTICS returned = ROW_COUNT;
        EXIT WHEN returned < 1000;
    END LOOP;
END $$;

-- Destroy the keys and texts of critical clips whose hold is over; says how many. Their marks stay.
CREATE FUNCTION destroy_due(p_now double precision) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    due text[];
    destroyed integer := 0;
BEGIN
    -- Asked at each lease: the first of the index answers.
    WHILE p_now >= (
        SELECT destroy_after FROM clip_key WHERE destroy_after IS NOT NULL ORDER BY destroy_after LIMIT 1
    ) LOOP
        due := ARRAY(
            SELECT clip FROM clip_key WHERE destroy_after <= p_now
            ORDER BY destroy_after LIMIT 1000 FOR UPDATE SKIP LOCKED
        );
        EXIT WHEN due = '{}'; -- somebody else is at it
        DELETE FROM clip_key WHERE clip = ANY (due);
        UPDATE clip SET hypothesis = NULL, peaks = NULL WHERE id = ANY (due);
        INSERT INTO rubbish (object) SELECT object FROM clip WHERE id = ANY (due) ON CONFLICT DO NOTHING;
        destroyed := destroyed + cardinality(due);
    END LOOP;
    RETURN destroyed;
END $$;

CREATE TYPE leased AS (
    lease text, clip text, lang text, duration double precision, rate integer, hypothesis text, peaks bytea,
    expires double precision
);

-- Up to so many clips for this reviewer and nobody else: those named in p_first, those held already, others by
-- priority and arrival. Of the clips given anew each counts towards the day's cap. No lease is shortened: a clip held
-- for longer than was asked for now is checked out, and is theirs here only if p_first names it.
CREATE FUNCTION lease(p_reviewer text, p_count integer, p_lang text, p_first text[], p_seconds double precision)
RETURNS SETOF leased
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
    me constant text := known_as(p_reviewer);
    t constant double precision := clock();
    until constant double precision := lease_until_of(p_seconds);
    wanted constant integer := greatest(least(p_count, 5000), 0);
    today constant integer := floor(t / 86400);
    name constant text := replace(gen_random_uuid()::text, '-', '');
    allowed integer;
    named text[];
    held text[];
    anew text[];
    fresh text[] := '{}';
    taken text[];
BEGIN
    PERFORM check_clips(p_first);
    PERFORM destroy_due(t);
    -- Two programs of one reviewer take turns here.
    INSERT INTO drawn (reviewer, day, clips) VALUES (me, today, 0)
    ON CONFLICT (reviewer, day) DO UPDATE SET clips = drawn.clips RETURNING clips INTO allowed;
    -- NULL where there is no cap; the cap may have been lowered today.
    allowed := (SELECT CASE WHEN lease_cap > allowed THEN lease_cap - allowed ELSE lease_cap * 0 END FROM policy);

    PERFORM FROM work
    WHERE clip = ANY (p_first || ARRAY(SELECT clip FROM work WHERE owner = me AND state = 'leased'))
    ORDER BY clip FOR UPDATE;
    held := ARRAY(
        SELECT clip FROM work
        WHERE owner = me AND state = 'leased' AND lease_until > t AND lease_until <= until
            AND (p_lang IS NULL OR lang = p_lang) AND NOT skipped(me, clip)
        ORDER BY priority DESC, arrival
    );
    named := ARRAY(
        SELECT clip FROM work
        WHERE clip = ANY (p_first) AND (state = 'open' OR state = 'leased' AND (owner = me OR lease_until <= t))
            AND (p_lang IS NULL OR lang = p_lang) AND NOT skipped(me, clip)
        ORDER BY array_position(p_first, clip) LIMIT wanted
    );
    anew := (ARRAY(SELECT clip FROM unnest(named) AS clip WHERE clip <> ALL (held)))[1:coalesce(allowed, wanted)];
    allowed := allowed - cardinality(anew);
    named := ARRAY(SELECT clip FROM unnest(named) WITH ORDINALITY AS of (clip, place)
        WHERE clip = ANY (held) OR clip = ANY (anew) ORDER BY place);
    taken := named || ARRAY(SELECT clip FROM unnest(held) WITH ORDINALITY AS of (clip, place)
        WHERE clip <> ALL (named) ORDER BY place LIMIT wanted - cardinality(named));
    -- Before the others that have run out go back to the pool, those among them that were named are no longer theirs.
    IF taken <> '{}' THEN
        UPDATE work SET state = 'leased',
            lease_until = CASE WHEN owner = me THEN greatest(lease_until, until) ELSE until END,
            lease = CASE WHEN owner = me AND lease_until > t THEN lease ELSE name END,
            owner = me
        WHERE clip = ANY (taken);
    END IF;
    PERFORM expire(t);

    IF cardinality(taken) < wanted THEN
        -- Not skipped(), which would be called for each clip: written out, it is part of the plan.
        IF p_lang IS NULL THEN
            fresh := ARRAY(
                SELECT clip FROM work WHERE state = 'open' AND NOT coalesce((
                    SELECT verdict = 'skipped' FROM line
                    WHERE line.clip = work.clip AND reviewer = me AND verdict IS NOT NULL
                    ORDER BY line.arrival DESC LIMIT 1
                ), false)
                ORDER BY priority DESC, arrival LIMIT least(wanted - cardinality(taken), allowed) FOR UPDATE SKIP LOCKED
            );
        ELSE
            fresh := ARRAY(
                SELECT clip FROM work WHERE state = 'open' AND lang = p_lang AND NOT coalesce((
                    SELECT verdict = 'skipped' FROM line
                    WHERE line.clip = work.clip AND reviewer = me AND verdict IS NOT NULL
                    ORDER BY line.arrival DESC LIMIT 1
                ), false)
                ORDER BY priority DESC, arrival LIMIT least(wanted - cardinality(taken), allowed) FOR UPDATE SKIP LOCKED
            );
        END IF;
        UPDATE work SET state = 'leased', owner = me, lease = name, lease_until = until WHERE clip = ANY (fresh);
        taken := taken || fresh;
    END IF;
    anew := anew || fresh;
    IF wanted > 0 AND cardinality(taken) = 0 AND allowed <= 0 THEN
        PERFORM refuse('you have been given as many clips today as your project allows; the next come tomorrow');
    END IF;
    IF cardinality(anew) > 0 THEN
        UPDATE drawn SET clips = clips + cardinality(anew) WHERE reviewer = me AND day = today;
        PERFORM note('lease', me, p_clips => anew);
    END IF;
    RETURN QUERY
    SELECT work.lease, clip.id, clip.lang, clip.duration, clip.rate, clip.hypothesis, clip.peaks, work.lease_until
    FROM unnest(taken) WITH ORDINALITY AS of (id, place)
    JOIN work ON work.clip = of.id JOIN clip ON clip.id = of.id
    ORDER BY place;
END $$;

-- Lease decided clips again to the reviewer whose decision is the last one. They stay decided. A clip that the reviewer
-- skipped, and nobody has, is theirs alone meanwhile.
CREATE FUNCTION reopen(p_reviewer text, p_clips text[], p_seconds double precision) RETURNS SETOF leased
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
    me constant text := known_as(p_reviewer);
    t constant double precision := clock();
    until constant double precision := lease_until_of(p_seconds);
    name constant text := replace(gen_random_uuid()::text, '-', '');
    again text[];
BEGIN
    PERFORM check_clips(p_clips);
    PERFORM FROM work WHERE clip = ANY (p_clips) ORDER BY clip FOR UPDATE;
    again := ARRAY(
        SELECT clip FROM work
        WHERE clip = ANY (p_clips) AND (owner IS NULL OR owner = me OR lease_until <= t)
            AND (state IN ('done', 'open', 'escalated') OR state = 'leased' AND lease_until <= t)
            AND me = (
                SELECT reviewer FROM line WHERE line.clip = work.clip AND verdict IS NOT NULL
                ORDER BY line.arrival DESC LIMIT 1
            )
    );
    UPDATE work SET owner = me, lease = CASE WHEN owner = me AND lease_until > t THEN lease ELSE name END,
        lease_until = CASE WHEN owner = me THEN greatest(lease_until, until) ELSE until END,
        state = CASE state WHEN 'open' THEN 'leased' ELSE state END
    WHERE clip = ANY (again);
    IF cardinality(again) > 0 THEN
        PERFORM note('reopen', me, p_clips => again);
    END IF;
    RETURN QUERY
    SELECT work.lease, clip.id, clip.lang, clip.duration, clip.rate, clip.hypothesis, clip.peaks, work.lease_until
    FROM work JOIN clip ON clip.id = work.clip WHERE work.clip = ANY (again)
    ORDER BY work.priority DESC, work.arrival;
END $$;

-- Prolong the leases that the reviewer holds, and take those anew that ran out but went to nobody; says which.
CREATE FUNCTION renew(p_reviewer text, p_clips text[], p_seconds double precision) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
    me constant text := known_as(p_reviewer);
    until constant double precision := lease_until_of(p_seconds);
    name constant text := replace(gen_random_uuid()::text, '-', '');
BEGIN
    PERFORM check_clips(p_clips);
    PERFORM FROM work WHERE clip = ANY (p_clips) ORDER BY clip FOR UPDATE;
    UPDATE work SET owner = me, lease = name, state = 'leased'
    WHERE clip = ANY (p_clips) AND state = 'open' AND owner IS NULL AND NOT skipped(me, clip);
    UPDATE work SET lease_until = greatest(lease_until, until) WHERE clip = ANY (p_clips) AND owner = me;
    RETURN ARRAY(SELECT clip FROM work WHERE clip = ANY (p_clips) AND owner = me);
END $$;

-- End leases; what is not decided is open to all.
CREATE FUNCTION release(p_reviewer text, p_clips text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
    me constant text := known_as(p_reviewer);
BEGIN
    PERFORM check_clips(p_clips);
    PERFORM FROM work WHERE clip = ANY (p_clips) AND owner = me ORDER BY clip FOR UPDATE;
    UPDATE work SET owner = NULL, lease = NULL, lease_until = NULL,
        state = CASE state WHEN 'leased' THEN 'open' ELSE state END
    WHERE clip = ANY (p_clips) AND owner = me;
END $$;

-- The key of a clip's audio, sealed under the master key, and the audio's name: for who holds the lease, while they do.
CREATE FUNCTION audio_key(p_reviewer text, p_clip text, OUT key bytea, OUT object text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
DECLARE
    me constant text := known_as(p_reviewer);
    here record;
BEGIN
    SELECT work.state, coalesce(work.owner = me AND work.lease_until > clock(), false) AS theirs, clip_key.key,
        clip.object
    INTO here
    FROM work JOIN clip ON clip.id = work.clip LEFT JOIN clip_key ON clip_key.clip = work.clip
    WHERE work.clip = p_clip;
    IF NOT FOUND THEN
        PERFORM refuse(format('the store has no clip %s', left(p_clip, 64)));
    ELSIF here.state = 'withdrawn' THEN
        PERFORM refuse(format('clip %s has been withdrawn', p_clip));
    ELSIF here.key IS NULL OR here.state = 'critical' THEN
        PERFORM refuse(format('clip %s is marked critical: its sound is closed', p_clip));
    ELSIF NOT here.theirs THEN
        PERFORM refuse(format('clip %s is not leased to %s, or no longer', p_clip, me));
    END IF;
    key := here.key;
    object := here.object;
END $$;

-- The keys of the payloads of offline sittings: the public one to seal to, and the private one as it rests, sealed under
-- the master key.
CREATE FUNCTION seal_keys(OUT public bytea, OUT private bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    public := (SELECT value FROM meta WHERE name = 'public seal key');
    private := (SELECT value FROM meta WHERE name = 'seal key');
END $$;

-- How much there is. Leases that have run out count as open.
CREATE FUNCTION counts(
    p_reviewer text, OUT clips bigint, OUT at_hand bigint, OUT decided bigint, OUT withdrawn bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
DECLARE
    me text;
    t constant double precision := clock();
BEGIN
    -- A supervisor who reviews nothing may ask as well.
    me := CASE WHEN supervises() THEN p_reviewer ELSE known_as(p_reviewer) END;
    SELECT count(*) FILTER (WHERE state <> 'withdrawn'), count(*) FILTER (WHERE state = 'open'),
        count(*) FILTER (WHERE state IN ('done', 'escalated', 'critical')), count(*) FILTER (WHERE state = 'withdrawn')
    INTO clips, at_hand, decided, withdrawn
    FROM work;
    at_hand := at_hand
        + (SELECT count(*) FROM work WHERE state = 'leased' AND owner = me AND lease_until > t)
        + (SELECT count(*) FROM work WHERE state = 'leased' AND lease_until <= t)
        - (
            SELECT count(*) FROM latest JOIN work ON work.clip = latest.clip
            WHERE latest.reviewer = me AND latest.verdict = 'skipped'
                AND (work.state = 'open' OR work.state = 'leased' AND (work.owner = me OR work.lease_until <= t))
        );
END $$;

-- The epoch now, and the clips withdrawn since an epoch (all of them where that is not yet).
CREATE FUNCTION withdrawn(p_after bigint, OUT epoch bigint, OUT clips text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    -- The last number is committed together with its tombstone; a stable function sees one moment.
    epoch := (SELECT last_epoch.epoch FROM last_epoch);
    clips := ARRAY(
        SELECT clip FROM tombstone
        WHERE tombstone.epoch > CASE WHEN p_after <= withdrawn.epoch THEN p_after ELSE 0 END
        ORDER BY tombstone.epoch
    );
END $$;

GRANT EXECUTE ON FUNCTION
    lease(text, integer, text, text[], double precision), reopen(text, text[], double precision),
    renew(text, text[], double precision), release(text, text[]), audio_key(text, text), seal_keys(), counts(text),
    withdrawn(bigint)
TO :"reviewer";
