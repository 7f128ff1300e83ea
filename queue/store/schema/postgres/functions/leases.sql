-- Leases: who may review what until when. Rows that may be waited for are locked in the order of their clips, others
-- are passed over while somebody has them (SKIP LOCKED), so that nobody waits in a circle.
--
-- Functions that are called all day name what the planner must not do: it plans without knowing the values, and where
-- statistics are missing or old it would read, or sort, millions of open clips to find fifty. Plans made anew for the
-- values of each call cost more than most calls: to guess how many leases have run out, the planner walks over all the
-- dead ends of that index.
--
-- All who lease want the head of the same queue: each would pass over the rows that the others have locked, and over
-- those that are gone since it looked; worse, of a row that changed under it PostgreSQL locks the newer version before
-- it finds that the clip is taken, and so makes its new holder wait. So who comes while others lease begins somewhat
-- further back. One who leases alone has the strict order of arrival; in a crowd, clips of one priority go out in nearly
-- that order, at most 31 * 200 places early. Priorities are kept, and what was passed over comes next.
--
-- While a clip has fewer opinions than the policy wants it is open, and goes to one reviewer at a time who has none on
-- it. Whoever decided it last keeps the lease until it runs out, to hear it again and to take the decision back; it is
-- not renewed, and it binds nobody: such clips go to others as soon as no other clip is left. So an open clip that has an
-- owner is one on which its owner has a standing opinion, and a leased one is one on which its owner has none.

-- Whether a reviewer is done with a clip, having skipped or decided it: it is not given to them again.
CREATE OR REPLACE FUNCTION done_with(p_reviewer text, p_clip text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT verdict IN ('skipped', 'unintelligible') OR verdict IN ('accepted', 'corrected') AND payload IS NOT NULL
        FROM line
        WHERE clip = p_clip AND reviewer = p_reviewer AND verdict IS NOT NULL ORDER BY arrival DESC LIMIT 1
    ), false)
$$;

-- What is called all day is written in PL/pgSQL: it keeps its plans, where SQL makes them anew for each call, unless its
-- body becomes a part of the caller's.
CREATE OR REPLACE FUNCTION lease_until_of(p_seconds double precision) RETURNS double precision
LANGUAGE plpgsql AS $$
BEGIN
    RETURN clock() + greatest(least(p_seconds, (SELECT longest_lease FROM policy)), 0);
END $$;

CREATE OR REPLACE FUNCTION check_clips(p_clips text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF cardinality(p_clips) > 10000 THEN
        PERFORM refuse('more clips than the store takes at once: ask for fewer');
    END IF;
END $$;

-- Give clips whose lease has run out back to the pool: so many at a time that nobody who leases waits for long.
CREATE OR REPLACE FUNCTION expire(p_now double precision) RETURNS void
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
CREATE OR REPLACE FUNCTION destroy_due(p_now double precision) RETURNS integer
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

-- How many others lease at this moment, up to 31, as seen from the first of 32 places that is free. A place is kept to
-- the end of the transaction. Whoever takes the places with no lease in mind only spreads the others out.
CREATE OR REPLACE FUNCTION crowd() RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
    FOR place IN 0..30 LOOP
        IF pg_try_advisory_xact_lock('work'::regclass::oid::integer, place) THEN
            RETURN place;
        END IF;
    END LOOP;
    RETURN 31;
END $$;

-- Up to so many open clips that nobody has locked, locked now: by priority, and by arrival as said above; first those
-- that nobody has, then those that are only kept by who decided them last. places: where their rows lie, which does not
-- change while they are locked. Those that the reviewer skipped or decided are left out; that is written into the
-- queries, since a function would be called for each clip, and a decision of theirs that was on its way here meanwhile is
-- seen at the end, when nothing more can come to these clips. There are two of each query for the planner's sake: each
-- has an index of its own.
CREATE OR REPLACE FUNCTION draw(p_reviewer text, p_lang text, p_count integer, OUT clips text[], OUT places tid[])
LANGUAGE plpgsql AS $$
DECLARE
    ahead constant bigint := floor(random() * crowd() * 200);
    beyond constant bigint := 9223372036854775807;
    most bigint := 2147483647;
    kept boolean := false;
    several constant boolean := (SELECT opinions > 1 FROM policy);
    more text[];
    there tid[];
    level integer;
    head bigint;
    start bigint;
    stop bigint;
BEGIN
    clips := '{}';
    places := '{}';
    WHILE cardinality(clips) < p_count LOOP
        IF p_lang IS NULL THEN
            SELECT priority, arrival INTO level, head FROM work
            WHERE open AND priority <= most ORDER BY priority DESC, arrival LIMIT 1;
        ELSE
            SELECT priority, arrival INTO level, head FROM work
            WHERE open AND lang = p_lang AND priority <= most ORDER BY priority DESC, arrival LIMIT 1;
        END IF;
        IF level IS NULL THEN
            EXIT WHEN kept OR NOT several;
            kept := true;
            most := 2147483647;
            CONTINUE;
        END IF;
        -- From further back to the end of this priority, then what was passed over.
        FOREACH start IN ARRAY ARRAY[head + ahead, head] LOOP
            stop := CASE WHEN start = head + ahead THEN beyond ELSE head + ahead END;
            EXIT WHEN cardinality(clips) >= p_count;
            IF p_lang IS NULL THEN
                SELECT array_agg(clip), array_agg(place) INTO more, there FROM (
                    SELECT clip, ctid AS place FROM work
                    WHERE open AND priority = level AND arrival >= start AND arrival < stop
                        AND (owner IS NOT NULL) = kept
                        AND NOT coalesce((
                            SELECT verdict IN ('skipped', 'unintelligible')
                                OR verdict IN ('accepted', 'corrected') AND payload IS NOT NULL
                            FROM line
                            WHERE line.clip = work.clip AND reviewer = p_reviewer AND verdict IS NOT NULL
                            ORDER BY line.arrival DESC LIMIT 1
                        ), false)
                    ORDER BY priority DESC, arrival LIMIT p_count - cardinality(clips) FOR UPDATE SKIP LOCKED
                ) AS locked;
            ELSE
                SELECT array_agg(clip), array_agg(place) INTO more, there FROM (
                    SELECT clip, ctid AS place FROM work
                    WHERE open AND lang = p_lang AND priority = level AND arrival >= start AND arrival < stop
                        AND (owner IS NOT NULL) = kept
                        AND NOT coalesce((
                            SELECT verdict IN ('skipped', 'unintelligible')
                                OR verdict IN ('accepted', 'corrected') AND payload IS NOT NULL
                            FROM line
                            WHERE line.clip = work.clip AND reviewer = p_reviewer AND verdict IS NOT NULL
                            ORDER BY line.arrival DESC LIMIT 1
                        ), false)
                    ORDER BY priority DESC, arrival LIMIT p_count - cardinality(clips) FOR UPDATE SKIP LOCKED
                ) AS locked;
            END IF;
            clips := clips || more;
            places := places || there;
            EXIT WHEN ahead = 0;
        END LOOP;
        most := level::bigint - 1;
    END LOOP;
    IF several THEN
        SELECT coalesce(array_agg(clip ORDER BY number), '{}'), coalesce(array_agg(place ORDER BY number), '{}')
        INTO clips, places
        FROM unnest(clips, places) WITH ORDINALITY AS drawn (clip, place, number)
        WHERE NOT done_with(p_reviewer, clip);
    END IF;
END $$;

-- Up to so many clips for this reviewer and nobody else: those named in p_first, those held already, others by
-- priority and arrival. Of the clips given anew each counts towards the day's cap. No lease is shortened: a clip held
-- for longer than was asked for now is checked out, and is theirs here only if p_first names it.
CREATE OR REPLACE FUNCTION lease(p_reviewer text, p_count integer, p_lang text, p_first text[], p_seconds double precision)
RETURNS SETOF leased
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
    SET plan_cache_mode = force_generic_plan AS $$
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
    anew text[] := '{}';
    fresh text[] := '{}';
    places tid[];
    taken text[];
BEGIN
    PERFORM check_clips(p_first);
    PERFORM destroy_due(t);
    -- Two programs of one reviewer take turns here. NULL where there is no cap; it may have been lowered today.
    INSERT INTO drawn (reviewer, day, clips) VALUES (me, today, 0)
    ON CONFLICT (reviewer, day) DO UPDATE SET clips = drawn.clips
    RETURNING (SELECT CASE WHEN lease_cap > clips THEN lease_cap - clips ELSE lease_cap * 0 END FROM policy) INTO allowed;

    held := ARRAY(
        SELECT clip FROM (
            SELECT * FROM work
            WHERE clip = ANY (p_first || ARRAY(SELECT clip FROM work WHERE owner = me AND state = 'leased'))
            ORDER BY clip FOR UPDATE
        ) AS locked
        WHERE owner = me AND state = 'leased' AND lease_until > t AND lease_until <= until
            AND (p_lang IS NULL OR lang = p_lang) AND NOT done_with(me, clip)
        ORDER BY priority DESC, arrival
    );
    taken := held[:wanted];
    IF p_first <> '{}' THEN
        named := ARRAY(
            SELECT clip FROM work
            WHERE clip = ANY (p_first) AND (state = 'open' OR state = 'leased' AND (owner = me OR lease_until <= t))
                AND (p_lang IS NULL OR lang = p_lang) AND NOT done_with(me, clip)
            ORDER BY array_position(p_first, clip) LIMIT wanted
        );
        -- Theirs already, and for longer than is asked for now: a checkout that is gone on with.
        held := held || ARRAY(
            SELECT clip FROM work
            WHERE clip = ANY (named) AND owner = me AND lease_until > t AND clip <> ALL (held)
        );
        anew := (ARRAY(SELECT clip FROM unnest(named) AS clip WHERE clip <> ALL (held)))[1:coalesce(allowed, wanted)];
        allowed := allowed - cardinality(anew);
        named := ARRAY(SELECT clip FROM unnest(named) WITH ORDINALITY AS of (clip, place)
            WHERE clip = ANY (held) OR clip = ANY (anew) ORDER BY place);
        taken := named || ARRAY(SELECT clip FROM unnest(held) WITH ORDINALITY AS of (clip, place)
            WHERE clip <> ALL (named) ORDER BY place LIMIT wanted - cardinality(named));
    END IF;
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
        SELECT * INTO fresh, places FROM draw(me, p_lang, least(wanted - cardinality(taken), allowed));
        UPDATE work SET state = 'leased', owner = me, lease = name, lease_until = until WHERE ctid = ANY (places);
    END IF;
    anew := anew || fresh;
    IF wanted > 0 AND cardinality(taken || fresh) = 0 AND allowed <= 0 THEN
        PERFORM refuse('you have been given as many clips today as your project allows; the next come tomorrow');
    END IF;
    IF cardinality(anew) > 0 THEN
        UPDATE drawn SET clips = clips + cardinality(anew) WHERE reviewer = me AND day = today;
        PERFORM note('lease', me, p_clips => anew);
    END IF;
    IF taken <> '{}' THEN
        RETURN QUERY
        SELECT work.lease, clip.id, clip.lang, clip.duration, clip.rate, clip.hypothesis, clip.peaks, work.lease_until
        FROM unnest(taken) WITH ORDINALITY AS of (id, place)
        JOIN work ON work.clip = of.id JOIN clip ON clip.id = of.id
        ORDER BY place;
    END IF;
    RETURN QUERY
    SELECT name, clip.id, clip.lang, clip.duration, clip.rate, clip.hypothesis, clip.peaks, until
    FROM unnest(fresh) WITH ORDINALITY AS of (id, place) JOIN clip ON clip.id = of.id
    ORDER BY place;
END $$;

-- Lease decided clips again to the reviewer whose decision is the last one. They stay decided. A clip that the reviewer
-- skipped, and nobody has, is theirs alone meanwhile.
CREATE OR REPLACE FUNCTION reopen(p_reviewer text, p_clips text[], p_seconds double precision) RETURNS SETOF leased
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
    SET plan_cache_mode = force_generic_plan AS $$
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
        WHERE clip = ANY (p_clips) AND (owner IS NULL OR owner = me OR lease_until <= t OR state = 'open')
            AND (state IN ('done', 'open', 'escalated') OR state = 'leased' AND lease_until <= t)
            AND (me = (
                SELECT reviewer FROM line WHERE line.clip = work.clip AND verdict IS NOT NULL
                ORDER BY line.arrival DESC LIMIT 1
            ) OR (SELECT opinions > 1 FROM policy) AND state <> 'escalated' AND opined(me, clip))
    );
    UPDATE work SET owner = me, lease = CASE WHEN owner = me AND lease_until > t THEN lease ELSE name END,
        lease_until = CASE WHEN owner = me THEN greatest(lease_until, until) ELSE until END,
        state = CASE WHEN state NOT IN ('open', 'leased') THEN state
            WHEN opined(me, clip) THEN 'open' ELSE 'leased' END
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
CREATE OR REPLACE FUNCTION renew(p_reviewer text, p_clips text[], p_seconds double precision) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    me constant text := known_as(p_reviewer);
    until constant double precision := lease_until_of(p_seconds);
    name constant text := replace(gen_random_uuid()::text, '-', '');
BEGIN
    PERFORM check_clips(p_clips);
    PERFORM FROM work WHERE clip = ANY (p_clips) ORDER BY clip FOR UPDATE;
    UPDATE work SET owner = me, lease = name, state = 'leased'
    WHERE clip = ANY (p_clips) AND state = 'open' AND owner IS NULL AND NOT done_with(me, clip);
    UPDATE work SET lease_until = greatest(lease_until, until) WHERE clip = ANY (p_clips) AND owner = me AND state <> 'open';
    RETURN ARRAY(SELECT clip FROM work WHERE clip = ANY (p_clips) AND owner = me);
END $$;

-- End leases; what is not decided is open to all.
CREATE OR REPLACE FUNCTION release(p_reviewer text, p_clips text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
    SET plan_cache_mode = force_generic_plan AS $$
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
CREATE OR REPLACE FUNCTION audio_key(p_reviewer text, p_clip text, OUT key bytea, OUT object text)
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
CREATE OR REPLACE FUNCTION seal_keys(OUT public bytea, OUT private bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    public := (SELECT value FROM meta WHERE name = 'public seal key');
    private := (SELECT value FROM meta WHERE name = 'seal key');
END $$;

-- How many of the clips that could be given to the reviewer now they have decided before. Theirs are fewer than those
-- that are open.
CREATE OR REPLACE FUNCTION opined_at_hand(p_reviewer text, p_now double precision) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (SELECT opinions FROM policy) = 1 THEN
        RETURN 0;
    END IF;
    RETURN (
        SELECT count(*)
        FROM (
            SELECT DISTINCT line.clip FROM device JOIN line ON line.device = device.id
            WHERE device.reviewer = p_reviewer AND line.verdict IS NOT NULL
        ) AS theirs JOIN work ON work.clip = theirs.clip
        WHERE (work.state = 'open' OR work.state = 'leased' AND (work.owner = p_reviewer OR work.lease_until <= p_now))
            AND opined(p_reviewer, work.clip)
    );
END $$;

-- How much there is. Leases that have run out count as open.
CREATE OR REPLACE FUNCTION counts(
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
        ) - opined_at_hand(me, t);
END $$;

-- The epoch now, and the clips withdrawn since an epoch (all of them where that is not yet).
CREATE OR REPLACE FUNCTION withdrawn(p_after bigint, OUT epoch bigint, OUT clips text[])
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
