-- The same at less cost: what a lease and a push do all day is done in fewer statements (each is planned anew by every
-- connection), reads each row once, and moves no index entry that need not move.

-- Whether a clip is open is asked by two indexes. While they looked at its state, every change of state was one of
-- theirs, and with them all other indexes got a new entry; now a decision on a leased clip touches none, and where its
-- page has room (hence the fill factor) it goes on in place.
ALTER TABLE work SET (fillfactor = 50);
ALTER TABLE work ADD COLUMN open boolean GENERATED ALWAYS AS (state = 'open') STORED;
DROP INDEX work_open, work_open_lang;
CREATE INDEX work_open ON work (priority DESC, arrival) WHERE open;
CREATE INDEX work_open_lang ON work (lang, priority DESC, arrival) WHERE open;

-- The clips of a lease stay in the audit's own row: put aside, as rows of over two kilobytes are, they cost as much again.
ALTER TABLE audit SET (toast_tuple_target = 8160);

-- What is called all day is written in PL/pgSQL: it keeps its plans, where SQL makes them anew for each call, unless its
-- body becomes a part of the caller's.

CREATE OR REPLACE FUNCTION audit_text(this audit) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_array(this.number, this.at::numeric, this.role, this.reviewer, this.what, this.via, this.device,
        this.first_seq, this.last_seq, this.journal, to_jsonb(this.clips))::text;
END $$;

-- Stable, as what it calls is, and so part of the caller's plan.
CREATE OR REPLACE FUNCTION audit_link(p_before text, p_text text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT encode(sha256(convert_to(p_before || p_text, 'UTF8')), 'hex') $$;

CREATE OR REPLACE FUNCTION note(
    p_what text, p_reviewer text DEFAULT NULL, p_device text DEFAULT NULL, p_first bigint DEFAULT NULL,
    p_last bigint DEFAULT NULL, p_clips text[] DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    this audit;
    before text;
BEGIN
    LOOP
        SELECT number + 1, chain INTO this.number, before FROM audit_head WHERE role = session_user FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO audit_head (role, number, chain) VALUES (session_user, 0, '') ON CONFLICT DO NOTHING;
    END LOOP;
    this.at := clock();
    this.role := session_user;
    this.reviewer := p_reviewer;
    this.what := p_what;
    this.via := coalesce(host(inet_client_addr()), 'socket') || ' ' || left(current_setting('application_name'), 60);
    this.device := p_device;
    this.first_seq := p_first;
    this.last_seq := p_last;
    IF p_device IS NOT NULL THEN
        this.journal := (SELECT last_chain FROM device WHERE id = p_device);
    END IF;
    this.clips := p_clips;
    this.chain := audit_link(before, audit_text(this));
    WITH entry AS (
        INSERT INTO audit (at, role, reviewer, what, via, device, first_seq, last_seq, clips, number, journal, chain)
        VALUES (this.at, this.role, this.reviewer, this.what, this.via, this.device, this.first_seq, this.last_seq,
            this.clips, this.number, this.journal, this.chain)
    )
    UPDATE audit_head SET number = this.number, chain = this.chain WHERE role = session_user;
END $$;

CREATE OR REPLACE FUNCTION quarantined(p_device text) RETURNS SETOF set_aside
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT quarantine.seq, quarantine.reason FROM quarantine JOIN device ON device.id = quarantine.device
    WHERE quarantine.device = p_device
        AND (supervises() OR device.reviewer = (SELECT person.reviewer FROM person WHERE role = session_user))
    ORDER BY quarantine.seq;
END $$;

CREATE OR REPLACE FUNCTION withdrawals(OUT in_force bigint, OUT outside bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    in_force := coalesce((SELECT number FROM withdrawal ORDER BY number DESC LIMIT 1), 0);
    outside := coalesce(
        (SELECT number - 1 FROM withdrawal WHERE NOT withdrawal.outside ORDER BY number LIMIT 1), in_force
    );
END $$;

CREATE OR REPLACE FUNCTION lease_until_of(p_seconds double precision) RETURNS double precision
LANGUAGE plpgsql AS $$
BEGIN
    RETURN clock() + greatest(least(p_seconds, (SELECT longest_lease FROM policy)), 0);
END $$;

-- As before, but says also where the rows lie (places, one for each clip): while they are locked, that does not change.
DROP FUNCTION draw(text, text, integer);
CREATE FUNCTION draw(p_reviewer text, p_lang text, p_count integer, OUT clips text[], OUT places tid[])
LANGUAGE plpgsql AS $$
DECLARE
    ahead constant bigint := floor(random() * crowd() * 200);
    beyond constant bigint := 9223372036854775807;
    most bigint := 2147483647;
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
        EXIT WHEN level IS NULL;
        -- From further back to the end of this priority, then what was passed over.
        FOREACH start IN ARRAY ARRAY[head + ahead, head] LOOP
            stop := CASE WHEN start = head + ahead THEN beyond ELSE head + ahead END;
            EXIT WHEN cardinality(clips) >= p_count;
            IF p_lang IS NULL THEN
                SELECT array_agg(clip), array_agg(place) INTO more, there FROM (
                    SELECT clip, ctid AS place FROM work
                    WHERE open AND priority = level AND arrival >= start AND arrival < stop
                        AND NOT coalesce((
                            SELECT verdict = 'skipped' FROM line
                            WHERE line.clip = work.clip AND reviewer = p_reviewer AND verdict IS NOT NULL
                            ORDER BY line.arrival DESC LIMIT 1
                        ), false)
                    ORDER BY priority DESC, arrival LIMIT p_count - cardinality(clips) FOR UPDATE SKIP LOCKED
                ) AS locked;
            ELSE
                SELECT array_agg(clip), array_agg(place) INTO more, there FROM (
                    SELECT clip, ctid AS place FROM work
                    WHERE open AND lang = p_lang AND priority = level AND arrival >= start AND arrival < stop
                        AND NOT coalesce((
                            SELECT verdict = 'skipped' FROM line
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
END $$;

-- As before. What the reviewer asked for by name is seen to only where something was.
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
            AND (p_lang IS NULL OR lang = p_lang) AND NOT skipped(me, clip)
        ORDER BY priority DESC, arrival
    );
    taken := held[:wanted];
    IF p_first <> '{}' THEN
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

-- As before. Nothing but the clip leads to the lines, whatever the planner believes: of a table that was empty when it
-- looked it would read all, from then on, as long as the connection lasts.
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
        WHEN bool_or(decided) THEN 'done'
        ELSE 'open'
    END FROM opinion GROUP BY opinion.clip
$$;

-- Where the row of the line's clip lies, if the line alone decides the clip.
ALTER TYPE entry ADD ATTRIBUTE place tid;

-- Journal lines, read. A plain decision without a fault is taken apart at once; what is anything else, or seems to be,
-- is looked at field by field, and so is everything where one line cannot be read at all.
CREATE FUNCTION read_lines(p_envelopes bytea[], p_payloads bytea[], p_chains text[]) RETURNS entry[]
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

-- As before. A line that alone decides its clip marks it as done without another look at what came before.
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
    IF old = given THEN
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
            CASE WHEN work.state NOT IN ('withdrawn', 'critical') AND CASE
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
                THEN 'leased' ELSE stands END,
            owner = CASE WHEN NOT (owner = me AND work.clip = ANY (skips)) THEN owner END,
            lease = CASE WHEN NOT (owner = me AND work.clip = ANY (skips)) THEN lease END,
            lease_until = CASE WHEN NOT (owner = me AND work.clip = ANY (skips)) THEN lease_until END
        FROM standing(single, 9223372036854775807) AS result
        WHERE work.clip = result.clip AND work.state <> 'withdrawn';
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

