-- Leasing in a crowd. All who lease want the head of the same queue: each would pass over the rows that the others have
-- locked, and over those that are gone since it looked; worse, of a row that changed under it PostgreSQL locks the newer
-- version before it finds that the clip is taken, and so makes its new holder wait. So who comes while others lease
-- begins somewhat further back. One who leases alone has the strict order of arrival; in a crowd, clips of one priority
-- go out in nearly that order, at most 31 * 200 places early. Priorities are kept, and what was passed over comes next.

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

-- Up to so many open clips that nobody has locked, locked now: by priority, and by arrival as said above. Those that the
-- reviewer skipped are left out; that is written into the queries, since a function would be called for each clip.
CREATE OR REPLACE FUNCTION draw(p_reviewer text, p_lang text, p_count integer) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    ahead constant bigint := floor(random() * crowd() * 200);
    beyond constant bigint := 9223372036854775807;
    most bigint := 2147483647;
    drawn text[] := '{}';
    level integer;
    head bigint;
    start bigint;
    stop bigint;
BEGIN
    WHILE cardinality(drawn) < p_count LOOP
        IF p_lang IS NULL THEN
            SELECT priority, arrival INTO level, head FROM work
            WHERE state = 'open' AND priority <= most ORDER BY priority DESC, arrival LIMIT 1;
        ELSE
            SELECT priority, arrival INTO level, head FROM work
            WHERE state = 'open' AND lang = p_lang AND priority <= most ORDER BY priority DESC, arrival LIMIT 1;
        END IF;
        EXIT WHEN level IS NULL;
        -- From further back to the end of this priority, then what was passed over.
        FOREACH start IN ARRAY ARRAY[head + ahead, head] LOOP
            stop := CASE WHEN start = head + ahead THEN beyond ELSE head + ahead END;
            EXIT WHEN cardinality(drawn) >= p_count;
            IF p_lang IS NULL THEN
                drawn := drawn || ARRAY(
                    SELECT clip FROM work
                    WHERE state = 'open' AND priority = level AND arrival >= start AND arrival < stop
                        AND NOT coalesce((
                            SELECT verdict = 'skipped' FROM line
                            WHERE line.clip = work.clip AND reviewer = p_reviewer AND verdict IS NOT NULL
                            ORDER BY line.arrival DESC LIMIT 1
                        ), false)
                    ORDER BY priority DESC, arrival LIMIT p_count - cardinality(drawn) FOR UPDATE SKIP LOCKED
                );
            ELSE
                drawn := drawn || ARRAY(
                    SELECT clip FROM work
                    WHERE state = 'open' AND lang = p_lang AND priority = level AND arrival >= start AND arrival < stop
                        AND NOT coalesce((
                            SELECT verdict = 'skipped' FROM line
                            WHERE line.clip = work.clip AND reviewer = p_reviewer AND verdict IS NOT NULL
                            ORDER BY line.arrival DESC LIMIT 1
                        ), false)
                    ORDER BY priority DESC, arrival LIMIT p_count - cardinality(drawn) FOR UPDATE SKIP LOCKED
                );
            END IF;
            EXIT WHEN ahead = 0;
        END LOOP;
        most := level::bigint - 1;
    END LOOP;
    RETURN drawn;
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
        fresh := draw(me, p_lang, least(wanted - cardinality(taken), allowed));
        UPDATE work SET state = 'leased', owner = me, lease = name, lease_until = until WHERE clip = ANY (fresh);
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

-- Plans made anew for the values of each call cost more than most calls: to guess how many leases have run out, the
-- planner walks over all the dead ends of that index.
ALTER FUNCTION reopen(text, text[], double precision) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION renew(text, text[], double precision) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION release(text, text[]) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION push(text, text, bytea[], bytea[], text[], double precision) SET plan_cache_mode = force_generic_plan;

-- Payloads are erased by clip, and the index by clip left out lines without a verdict, which have no payload: as the
-- planner cannot know that, each critical mark and each withdrawal read all lines there were. Now it holds them all.
DROP INDEX line_decision;
CREATE INDEX line_decision ON line (clip, reviewer, arrival) INCLUDE (verdict);
