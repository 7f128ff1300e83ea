-- Journal lines into the store: cursor, chain, quarantine, and what each line does to its clip.
--
-- The order of the journal is kept: whether a line is taken, set aside or ignored, the cursor passes it, once. The
-- cursor with the chain at it is also what tells a journal that went another way under the same numbers (a fork).

-- What fields of a journal line may be.
CREATE OR REPLACE FUNCTION is_count(value jsonb, digits integer) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_typeof(value) = 'number' AND length(value #>> '{}') <= digits AND (value #>> '{}') !~ '[^0-9]'
$$;

CREATE OR REPLACE FUNCTION is_measure(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_typeof(value) = 'number' AND length(value #>> '{}') <= 30
$$;

CREATE OR REPLACE FUNCTION is_name(value jsonb, most integer) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_typeof(value) = 'string' AND length(value #>> '{}') <= most
$$;

CREATE OR REPLACE FUNCTION is_absent(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT value IS NULL OR jsonb_typeof(value) = 'null' $$;

-- The envelope's fields, typed; seq is the line's place in the push at first. Any error on the way (broken JSON or
-- UTF-8, a NUL) is the line's fault alone.
CREATE OR REPLACE FUNCTION read_line(p_place bigint, p_envelope bytea, p_payload bytea, p_chain text) RETURNS entry
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    e entry;
    told jsonb;
    wrong constant text := 'a field is missing or of the wrong kind';
BEGIN
    e.seq := p_place;
    e.chain := p_chain;
    IF length(p_envelope) > 8192 OR length(p_payload) > 2097152 THEN
        e.fault := 'longer than a journal line can be';
        RETURN e;
    END IF;
    BEGIN
        e.envelope := convert_from(p_envelope, 'UTF8');
        told := e.envelope::jsonb;
    EXCEPTION WHEN OTHERS THEN
        e.fault := 'not valid JSON';
        RETURN e;
    END;
    e.kind := told ->> 'kind';
    e.verdict := told ->> 'verdict';
    e.reason := told ->> 'reason';
    IF (
        jsonb_typeof(told) = 'object' AND is_count(told -> 'v', 9) AND is_count(told -> 'seq', 15)
        AND is_name(told -> 'device', 200) AND is_name(told -> 'id', 200) AND is_name(told -> 'at', 64)
        AND is_name(told -> 'reviewer', 200) AND is_name(told -> 'clip', 200) AND is_name(told -> 'app', 200)
        AND jsonb_typeof(told -> 'kind') = 'string' AND e.kind IN ('decision', 'draft', 'erasure')
        AND (is_absent(told -> 'verdict') OR jsonb_typeof(told -> 'verdict') = 'string' AND e.verdict IN
            ('accepted', 'corrected', 'critical', 'unintelligible', 'skipped', 'escalated', 'retracted'))
        AND (is_absent(told -> 'reason') OR jsonb_typeof(told -> 'reason') = 'string' AND e.reason IN
            ('critical', 'withdrawal', 'retention'))
        AND told ? 'commit' AND (is_absent(told -> 'commit') OR is_name(told -> 'commit', 64))
        AND (is_absent(told -> 'lease') OR is_name(told -> 'lease', 200))
        AND (is_absent(told -> 'hypothesis') OR is_name(told -> 'hypothesis', 64))
        AND (e.kind = 'decision') = (e.verdict IS NOT NULL) AND (e.kind = 'erasure') = (e.reason IS NOT NULL)
        AND (e.kind <> 'decision' OR is_count(told -> 'revision', 9) AND is_count(told -> 'plays', 9)
            AND is_measure(told -> 'heard') AND is_measure(told -> 'seconds'))
        AND (is_absent(told -> 'keys') OR is_count(told -> 'keys', 9))
        AND (is_absent(told -> 'pressed') OR is_measure(told -> 'pressed'))
    ) IS NOT TRUE THEN
        e.fault := wrong;
        RETURN e;
    END IF;
    IF told ->> 'v' <> '1' THEN
        e.fault := format('version %s of the journal: this Earmark reads version 1 only', told ->> 'v');
        RETURN e;
    END IF;
    BEGIN
        e.id := (told ->> 'id')::uuid;
    EXCEPTION WHEN OTHERS THEN
        e.fault := 'its id is not a UUID';
        RETURN e;
    END;
    e.stated := (told ->> 'seq')::bigint;
    e.device := told ->> 'device';
    e.reviewer := told ->> 'reviewer';
    e.clip := told ->> 'clip';
    e.lease := told ->> 'lease';
    -- Nothing may hold a critical mark back, and its payload is not taken anyway; nor is a draft's or an erasure's.
    IF p_payload <> 'null'::bytea AND e.verdict IS DISTINCT FROM 'critical' THEN
        IF encode(sha256(p_payload), 'hex') IS DISTINCT FROM told ->> 'commit' THEN
            -- Whoever pushes opens seals first: one that is still there could not be opened.
            e.flaw := CASE WHEN get_byte(p_payload, 0) = ascii('"')
                THEN 'its seal does not open, or what is under it is not the one that was committed'
                ELSE 'the payload is not the one that was committed' END;
            RETURN e;
        END IF;
        e.flaw := 'the payload is not one of ours';
        BEGIN
            e.payload := convert_from(p_payload, 'UTF8');
            told := e.payload::jsonb;
        EXCEPTION WHEN OTHERS THEN
            e.payload := NULL;
            RETURN e;
        END;
        IF jsonb_typeof(told) = 'object' AND told ?& ARRAY['text', 'note'] AND jsonb_typeof(told -> 'salt') = 'string'
            AND jsonb_typeof(told -> 'text') IN ('string', 'null')
            AND jsonb_typeof(told -> 'note') IN ('string', 'null')
        THEN
            e.flaw := NULL;
        END IF;
    END IF;
    RETURN e;
END $$;

-- Journal lines, read. A plain decision without a fault is taken apart at once; what is anything else, or seems to be,
-- is looked at field by field, and so is everything where one line cannot be read at all.
CREATE OR REPLACE FUNCTION read_lines(p_envelopes bytea[], p_payloads bytea[], p_chains text[]) RETURNS entry[]
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT CASE WHEN (
            length(envelope) <= 8192 AND length(payload) <= 2097152
            AND v::text = '1' AND is_count(seq, 15) AND is_name(device, 200) AND is_name(id, 200) AND is_name(at, 64)
            AND is_name(reviewer, 200) AND is_name(clip, 200) AND is_name(app, 200) AND is_name(commit, 64)
            AND kind = '"decision"'
            AND verdict IN ('"accepted"', '"corrected"', '"unintelligible"', '"skipped"', '"escalated"')
            AND is_absent(reason) AND (is_absent(lease) OR is_name(lease, 200))
            AND (is_absent(hypothesis) OR is_name(hypothesis, 64))
            AND is_count(revision, 9) AND is_count(plays, 9) AND is_measure(heard) AND is_measure(seconds)
            AND (is_absent(keys) OR is_count(keys, 9)) AND (is_absent(pressed) OR is_measure(pressed))
            AND CASE WHEN payload <> 'null' THEN
                encode(sha256(payload), 'hex') = commit #>> '{}'
                AND jsonb_typeof(under -> 'salt') = 'string'
                AND jsonb_typeof(under -> 'text') IN ('string', 'null')
                AND jsonb_typeof(under -> 'note') IN ('string', 'null')
            ELSE true END
        ) THEN ROW(
            place, (seq #>> '{}')::bigint, NULL, NULL, 'decision', device #>> '{}', reviewer #>> '{}', (id #>> '{}')::uuid,
            clip #>> '{}', verdict #>> '{}', NULL, lease #>> '{}', convert_from(envelope, 'UTF8'),
            CASE WHEN payload <> 'null' THEN convert_from(payload, 'UTF8') END, chain, NULL, NULL, NULL, NULL
        )::entry ELSE read_line(place, envelope, payload, chain) END
        FROM unnest(p_envelopes, p_payloads, p_chains) WITH ORDINALITY AS line (envelope, payload, chain, place),
            jsonb_to_record(convert_from(envelope, 'UTF8')::jsonb) AS told (
                v jsonb, kind jsonb, device jsonb, seq jsonb, id jsonb, at jsonb, reviewer jsonb, clip jsonb, lease jsonb,
                revision jsonb, verdict jsonb, reason jsonb, hypothesis jsonb, heard jsonb, plays jsonb, seconds jsonb,
                keys jsonb, pressed jsonb, app jsonb, commit jsonb
            ),
            LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS under OFFSET 0) AS read_once
        ORDER BY place
    );
EXCEPTION WHEN OTHERS THEN
    RETURN ARRAY(
        SELECT read_line(place, envelope, payload, chain)
        FROM unnest(p_envelopes, p_payloads, p_chains) WITH ORDINALITY AS line (envelope, payload, chain, place)
        ORDER BY place
    );
END $$;

-- Whether a reviewer has a standing opinion on a clip: decided it, with the text being there where it has one.
CREATE OR REPLACE FUNCTION opined(p_reviewer text, p_clip text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT verdict = 'unintelligible' OR verdict IN ('accepted', 'corrected') AND payload IS NOT NULL FROM line
        WHERE clip = p_clip AND reviewer = p_reviewer AND verdict IS NOT NULL ORDER BY arrival DESC LIMIT 1
    ), false)
$$;

-- Where decisions leave clips, those up to an arrival; a clip without any is not among the rows. Of each reviewer the
-- latest verdict counts: critical outweighs escalated, escalated outweighs done. A critical mark outlasts later
-- verdicts, unless its own reviewer retracts it before any other verdict on the clip. A decision whose text has been
-- erased leaves the clip undecided.
--
-- Nothing but the clip leads to the lines, whatever the planner believes (hence arrival + 0): of a table that was empty
-- when it looked it would read all, from then on, as long as the connection lasts.
CREATE OR REPLACE FUNCTION standing(p_clips text[], p_upto bigint) RETURNS TABLE (clip text, stands text)
LANGUAGE sql STABLE AS $$
    WITH history AS (
        SELECT line.clip, line.reviewer, line.arrival, line.verdict,
            line.verdict = 'unintelligible'
                OR line.verdict IN ('accepted', 'corrected') AND line.payload IS NOT NULL AS decided,
            lag(line.verdict) OVER (PARTITION BY line.clip, line.reviewer ORDER BY line.arrival) AS before
        FROM line
        WHERE line.clip = ANY (p_clips) AND line.verdict IS NOT NULL AND line.arrival + 0 <= p_upto
    ), opinion AS (
        SELECT history.clip,
            (array_agg(verdict ORDER BY arrival DESC))[1] AS verdict,
            (array_agg(decided ORDER BY arrival DESC))[1] AS decided,
            (array_agg(verdict ORDER BY arrival DESC)
                FILTER (WHERE verdict = 'critical' OR verdict = 'retracted' AND before = 'critical'))[1] AS mark
        FROM history GROUP BY history.clip, reviewer
    )
    SELECT opinion.clip, CASE
        WHEN bool_or(mark = 'critical') THEN 'critical'
        WHEN bool_or(verdict = 'escalated') THEN 'escalated'
        WHEN count(*) FILTER (WHERE decided) >= (SELECT opinions FROM policy) THEN 'done'
        ELSE 'open'
    END FROM opinion GROUP BY opinion.clip
$$;

-- What a line does whose effect hangs on others: those before it have been settled, those after it count for nothing.
CREATE OR REPLACE FUNCTION settle(e entry, p_arrival bigint, p_now double precision, p_until double precision) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    was text := (SELECT state FROM work WHERE clip = e.clip);
    leaves text;
BEGIN
    IF was = 'withdrawn' THEN
        RETURN;
    END IF;
    -- Text on a critical clip may hold what made it critical.
    IF e.payload IS NOT NULL AND e.kind = 'decision' AND e.verdict <> 'critical' AND was <> 'critical' THEN
        UPDATE line SET payload = e.payload WHERE arrival = p_arrival;
    END IF;
    IF e.kind = 'erasure' AND e.reason <> 'retention' THEN
        -- Retention rids one machine of what has arrived here; it is no reason to lose it here as well.
        UPDATE line SET payload = NULL WHERE clip = e.clip AND device = e.device AND payload IS NOT NULL;
    ELSIF e.verdict = 'critical' THEN
        UPDATE line SET payload = NULL WHERE clip = e.clip AND payload IS NOT NULL;
        UPDATE clip_key SET destroy_after = coalesce(destroy_after, p_now + (SELECT critical_hold FROM policy))
        WHERE clip = e.clip;
        UPDATE work SET owner = NULL, lease = NULL, lease_until = NULL WHERE clip = e.clip;
    ELSIF e.verdict = 'skipped' THEN
        UPDATE work SET owner = NULL, lease = NULL, lease_until = NULL WHERE clip = e.clip AND owner = e.reviewer;
    END IF;
    leaves := coalesce((SELECT stands FROM standing(ARRAY[e.clip], p_arrival)), 'open');
    IF was = 'critical' AND leaves <> 'critical' THEN
        UPDATE clip_key SET destroy_after = NULL WHERE clip = e.clip;
        IF NOT FOUND THEN
            RETURN; -- the key is destroyed: nobody can review it any more
        END IF;
    END IF;
    IF leaves = 'open' AND e.verdict = 'retracted' THEN
        UPDATE work SET owner = e.reviewer, lease = coalesce(e.lease, lease, e.id::text),
            lease_until = greatest(p_until, CASE WHEN owner = e.reviewer THEN lease_until END)
        WHERE clip = e.clip AND (owner IS NULL OR owner = e.reviewer OR lease_until <= p_now OR opined(owner, e.clip));
    END IF;
    UPDATE work SET state = CASE WHEN leaves = 'open' AND owner IS NOT NULL AND NOT opined(owner, e.clip) THEN 'leased' ELSE leaves END
    WHERE clip = e.clip;
END $$;

-- How far a device's journal has arrived. Somebody else's is as good as unknown.
CREATE OR REPLACE FUNCTION head(p_device text, OUT last_seq bigint, OUT last_chain text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    SELECT device.last_seq, device.last_chain INTO last_seq, last_chain FROM device
    WHERE id = p_device
        AND (supervises() OR reviewer = (SELECT person.reviewer FROM person WHERE role = session_user));
    IF NOT FOUND THEN
        last_seq := 0;
        last_chain := '';
    END IF;
END $$;

-- The lines of a device's journal that were set aside.
CREATE OR REPLACE FUNCTION quarantined(p_device text) RETURNS SETOF set_aside
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT quarantine.seq, quarantine.reason FROM quarantine JOIN device ON device.id = quarantine.device
    WHERE quarantine.device = p_device
        AND (supervises() OR device.reviewer = (SELECT person.reviewer FROM person WHERE role = session_user))
    ORDER BY quarantine.seq;
END $$;

-- Take journal lines, in order: the envelope's and the payload's exact bytes ('null' for none) and the chain of each.
-- Lines that have arrived before change nothing; where lines are missing before the first, nothing is taken. fork:
-- other lines are here under this device's numbers, and nothing was taken. quarantined: those of the lines that are set
-- aside, now or before.
--
-- A push is worked through as a set. A line that alone decides its clip marks it as done without another look at what
-- came before. Only lines that hang together (several on one clip, marks, what takes something back) are settled one
-- after the other, after all have been inserted.
CREATE OR REPLACE FUNCTION push(
    p_reviewer text, p_device text, p_envelopes bytea[], p_payloads bytea[], p_chains text[],
    p_seconds double precision,
    OUT last_seq bigint, OUT last_chain text, OUT fork boolean, OUT quarantined set_aside[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    me constant text := known_as(p_reviewer);
    given constant integer := coalesce(cardinality(p_envelopes), 0);
    t constant double precision := clock();
    until constant double precision := t + least(p_seconds, (SELECT longest_lease FROM policy));
    whose text;
    at_seq bigint;
    at_chain text;
    entries entry[];
    together text[];
    came uuid[];
    decided tid[];
    single text[];
    skips text[];
    first bigint;
    old integer;
    previous text;
    broken bigint;
    e entry;
    at_arrival bigint;
    aside set_aside[] := '{}';
BEGIN
    push.last_seq := 0;
    push.last_chain := '';
    push.fork := false;
    push.quarantined := '{}';
    IF given > 2000 OR given <> coalesce(cardinality(p_payloads), 0) OR given <> coalesce(cardinality(p_chains), 0)
        OR array_ndims(p_envelopes) > 1 OR coalesce(p_device, '') = '' OR length(p_device) > 200
        OR array_position(p_envelopes, NULL) IS NOT NULL OR array_position(p_payloads, NULL) IS NOT NULL
        OR array_position(p_chains, NULL) IS NOT NULL OR p_seconds IS NULL
    THEN
        PERFORM refuse('more journal lines than the store takes at once, or none that it understands');
    END IF;

    -- Reading the lines takes the longest, and nobody need wait for it.
    entries := read_lines(p_envelopes, p_payloads, p_chains);
    SELECT stated - seq + 1 INTO first FROM unnest(entries) WHERE fault IS NULL ORDER BY seq LIMIT 1;
    IF first <= 0 THEN
        PERFORM refuse('the journal lines of a push are not numbered; run ''earmark journal verify''', 'EM002');
    END IF;

    IF given > 0 AND coalesce(first, 1) = 1 THEN
        INSERT INTO device (id, reviewer) VALUES (p_device, me) ON CONFLICT DO NOTHING;
    END IF;
    SELECT reviewer, last_seq, last_chain INTO whose, at_seq, at_chain FROM device WHERE id = p_device FOR UPDATE;
    IF NOT FOUND THEN
        RETURN; -- nothing to take, or a gap
    END IF;
    IF whose <> me THEN
        PERFORM refuse(format('the journal of device %s belongs to another reviewer', p_device));
    END IF;
    push.last_seq := at_seq;
    push.last_chain := at_chain;
    first := coalesce(first, at_seq + 1);
    IF given = 0 OR first > at_seq + 1 THEN
        RETURN;
    END IF;

    old := least(at_seq + 1 - first, given);
    IF at_seq > 0 THEN
        IF old = 0 THEN
            push.fork := encode(sha256(convert_to(at_chain, 'UTF8') || p_envelopes[1]), 'hex') <> p_chains[1];
        ELSIF first + old - 1 = at_seq THEN
            push.fork := p_chains[old] <> at_chain;
        ELSE
            -- A line that was set aside left no chain; the cursor's own is compared before anything is taken.
            SELECT chain INTO previous FROM line WHERE device = p_device AND seq = first + old - 1;
            push.fork := coalesce(previous <> p_chains[old], false);
        END IF;
        IF push.fork THEN
            UPDATE device SET forked_at = coalesce(forked_at, t) WHERE id = p_device;
            PERFORM note('fork', me, p_device, first, first + given - 1);
            RETURN;
        END IF;
    END IF;
    IF old > 0 THEN
        -- The answer that told these may have been lost.
        aside := ARRAY(
            SELECT ROW(seq, reason)::set_aside FROM quarantine
            WHERE device = p_device AND seq BETWEEN first AND first + old - 1 ORDER BY seq
        );
    END IF;
    IF old = given THEN
        push.quarantined := aside;
        RETURN; -- all of it has arrived before
    END IF;

    SELECT min(first + place - 1) INTO broken
    FROM (
        SELECT place, envelope, chain, lag(chain, 1, at_chain) OVER (ORDER BY place) AS before
        FROM unnest(p_envelopes, p_chains) WITH ORDINALITY AS line (envelope, chain, place)
        WHERE place > old
    ) AS linked
    WHERE encode(sha256(convert_to(before, 'UTF8') || envelope), 'hex') <> chain;
    IF broken IS NOT NULL THEN
        PERFORM refuse(format('journal line %s does not follow from the one before; run ''earmark journal verify''',
            broken), 'EM002');
    END IF;

    -- In one order, so that two pushes never wait for each other. Arrivals are numbered under these locks.
    PERFORM FROM work WHERE clip = ANY (ARRAY(SELECT clip FROM unnest(entries[old + 1:]))) ORDER BY clip FOR UPDATE;
    entries := ARRAY(
        SELECT ROW(
            first + this.seq - 1, this.stated,
            coalesce(this.fault, CASE
                WHEN this.stated <> first + this.seq - 1
                    THEN format('its number is %s, its place %s', this.stated, first + this.seq - 1)
                WHEN this.device <> p_device THEN 'it is another device''s'
                WHEN this.reviewer <> me THEN 'it is another reviewer''s'
                ELSE coalesce(this.flaw, CASE WHEN work.clip IS NULL THEN 'the store has no such clip' END)
            END),
            this.flaw, this.kind, this.device, this.reviewer, this.id, this.clip, this.verdict, this.reason, this.lease,
            this.envelope, this.payload, this.chain, work.state,
            this.kind = 'decision' AND (work.owner IS DISTINCT FROM me OR work.lease_until <= t),
            this.kind = 'erasure' OR coalesce(this.verdict IN ('critical', 'retracted'), false)
                OR count(*) FILTER (WHERE this.kind <> 'draft') OVER (PARTITION BY this.clip) > 1,
            CASE WHEN (SELECT opinions = 1 FROM policy) AND work.state NOT IN ('withdrawn', 'critical') AND CASE
                    WHEN this.verdict IN ('accepted', 'corrected') THEN this.payload IS NOT NULL
                    ELSE this.verdict = 'unintelligible'
                END AND (SELECT true FROM line WHERE line.clip = this.clip AND line.verdict IS NOT NULL LIMIT 1) IS NULL
                THEN work.ctid END
        )::entry
        FROM unnest(entries[old + 1:]) AS this LEFT JOIN work ON work.clip = this.clip
        ORDER BY this.seq
    );

    push.quarantined := ARRAY(
        SELECT ROW(seq, fault)::set_aside FROM unnest(entries) WHERE fault IS NOT NULL ORDER BY seq
    );
    IF push.quarantined <> '{}' THEN
        INSERT INTO quarantine (device, seq, clip, reason)
        -- An unknown clip's id may be anything, a text too.
        SELECT p_device, seq, CASE WHEN state IS NOT NULL THEN clip END, fault
        FROM unnest(entries) WHERE fault IS NOT NULL;
    END IF;
    push.quarantined := aside || push.quarantined;

    -- A decision that came before from another device (a journal issued again) is passed over. What hangs together gets
    -- its payload when its turn comes, so that no erased text is ever written.
    together := ARRAY(SELECT clip FROM unnest(entries) WHERE apart AND fault IS NULL);
    WITH taken AS (
        INSERT INTO line (device, seq, id, reviewer, clip, verdict, late, chain, envelope, payload)
        SELECT p_device, seq, id, me, clip, verdict, late, chain, envelope,
            CASE WHEN kind = 'decision' AND state NOT IN ('withdrawn', 'critical') AND NOT apart THEN payload END
        FROM unnest(entries) WHERE fault IS NULL
        ORDER BY seq
        ON CONFLICT (id) DO NOTHING
        RETURNING id, clip, verdict
    )
    SELECT coalesce(array_agg(id), '{}'), array_agg(clip) FILTER (WHERE verdict IS NOT NULL AND clip <> ALL (together)),
        coalesce(array_agg(clip) FILTER (WHERE verdict = 'skipped' AND clip <> ALL (together)), '{}')
    INTO came, single, skips FROM taken;

    -- What `settle` does, for all clips on which one plain decision came. Most are decided by it, the first on its clip.
    -- Nothing here may be joined to the entries: the planner knows nothing of them, and would compare each with each.
    IF cardinality(came) = (SELECT count(*) FROM unnest(entries) WHERE fault IS NULL) THEN
        SELECT array_agg(place) FILTER (WHERE place IS NOT NULL),
            array_agg(clip) FILTER (WHERE place IS NULL AND verdict IS NOT NULL)
        INTO decided, single FROM unnest(entries) WHERE fault IS NULL AND NOT apart;
        UPDATE work SET state = 'done' WHERE ctid = ANY (decided);
    END IF;
    IF single <> '{}' THEN
        UPDATE work SET
            state = CASE WHEN stands = 'open' AND owner IS NOT NULL AND NOT (owner = me AND work.clip = ANY (skips))
                AND NOT opined(owner, work.clip) THEN 'leased' ELSE stands END,
            owner = CASE WHEN NOT (owner = me AND work.clip = ANY (skips)) THEN owner END,
            lease = CASE WHEN NOT (owner = me AND work.clip = ANY (skips)) THEN lease END,
            lease_until = CASE WHEN NOT (owner = me AND work.clip = ANY (skips)) THEN lease_until END
        FROM standing(single, 9223372036854775807) AS result
        WHERE work.clip = result.clip AND work.state <> 'withdrawn'
            -- A mark that was taken back after its clip's key was destroyed: nobody can review it any more.
            AND (work.state <> 'critical' OR stands = 'critical');
    END IF;

    FOREACH e IN ARRAY entries LOOP
        IF e.fault IS NULL AND e.apart AND e.kind <> 'draft' THEN
            SELECT arrival INTO at_arrival FROM line WHERE device = p_device AND seq = e.seq;
            IF FOUND THEN
                PERFORM settle(e, at_arrival, t, until);
            END IF;
        END IF;
    END LOOP;

    push.last_seq := first + given - 1;
    push.last_chain := p_chains[given];
    UPDATE device SET last_seq = push.last_seq, last_chain = push.last_chain WHERE id = p_device;
    PERFORM note('push', me, p_device, first + old, push.last_seq);
END $$;

GRANT EXECUTE ON FUNCTION head(text), quarantined(text),
    push(text, text, bytea[], bytea[], text[], double precision) TO :"reviewer";
