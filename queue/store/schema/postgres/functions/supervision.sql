-- What a supervisor may do: bring clips in, take results out, set the policy. The audio itself is put and removed by the
-- supervisor's program; keys come here sealed under the master key, which never does.

-- The store's own secrets, sealed under the master key.
CREATE OR REPLACE FUNCTION secrets() RETURNS TABLE (name text, value bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT name, value FROM meta WHERE name IN ('pseudonym key', 'clip id key')
$$;

-- Why a clip does not go in, or NULL.
CREATE OR REPLACE FUNCTION outcome(p_clip text, p_subject bytea, p_hypothesis text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN EXISTS (SELECT FROM opt_out WHERE subject = p_subject) THEN 'withdrawn'
        ELSE (
            SELECT CASE
                WHEN work.state = 'withdrawn' THEN 'withdrawn'
                -- A critical clip whose hold is over has no hypothesis any more.
                WHEN clip.hypothesis IS NULL OR clip.hypothesis = p_hypothesis THEN 'known'
                ELSE 'other text'
            END FROM clip JOIN work ON work.clip = clip.id WHERE clip.id = p_clip
        )
    END
$$;

CREATE OR REPLACE FUNCTION outcomes(p_clips text[], p_subjects bytea[], p_hypotheses text[]) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT ARRAY(
        SELECT outcome(clip, subject, hypothesis)
        FROM unnest(p_clips, p_subjects, p_hypotheses) WITH ORDINALITY AS given (clip, subject, hypothesis, place)
        ORDER BY place
    )
$$;

-- Take clips in whose sealed audio is in its place, durably; says what became of each, in order.
CREATE OR REPLACE FUNCTION admit(
    p_clips text[], p_subjects bytea[], p_hypotheses text[], p_langs text[], p_durations double precision[],
    p_rates integer[], p_sources text[], p_peaks bytea[], p_keys bytea[], p_objects text[]
) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
DECLARE
    became text;
    outcomes text[] := '{}';
    number bigint;
BEGIN
    -- Loads and withdrawals take turns: a person who opts out meanwhile has no clip slip in behind.
    PERFORM FROM last_epoch FOR SHARE;
    FOR place IN 1..coalesce(cardinality(p_clips), 0) LOOP
        became := outcome(p_clips[place], p_subjects[place], p_hypotheses[place]);
        IF became IS NULL THEN
            INSERT INTO clip (id, lang, duration, rate, subject, source, hypothesis, peaks, object)
            VALUES (p_clips[place], p_langs[place], p_durations[place], p_rates[place], p_subjects[place],
                p_sources[place], p_hypotheses[place], p_peaks[place], p_objects[place])
            ON CONFLICT (id) DO NOTHING RETURNING arrival INTO number;
            IF FOUND THEN
                INSERT INTO work (clip, arrival, lang) VALUES (p_clips[place], number, p_langs[place]);
                INSERT INTO clip_key (clip, key) VALUES (p_clips[place], p_keys[place]);
                became := 'added';
            ELSE
                -- Another program brought it since we looked.
                became := outcome(p_clips[place], p_subjects[place], p_hypotheses[place]);
            END IF;
        END IF;
        outcomes := outcomes || became;
    END LOOP;
    PERFORM note('load', p_clips => ARRAY(
        SELECT clip FROM unnest(p_clips, outcomes) AS done (clip, what) WHERE what = 'added'
    ));
    RETURN outcomes;
END $$;

-- Note who spoke in clips that came in without a person; says which clips are here of people who have opted out.
CREATE OR REPLACE FUNCTION learn(p_clips text[], p_subjects bytea[]) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
DECLARE
    learned text[];
BEGIN
    -- As in `admit`: nobody opts out meanwhile.
    PERFORM FROM last_epoch FOR SHARE;
    PERFORM FROM clip WHERE id = ANY (p_clips) ORDER BY id FOR UPDATE;
    WITH known AS (
        UPDATE clip SET subject = told.subject
        FROM (
            SELECT DISTINCT ON (id) id, given.subject
            FROM unnest(p_clips, p_subjects) WITH ORDINALITY AS given (id, subject, place)
            WHERE NOT EXISTS (SELECT FROM opt_out WHERE opt_out.subject = given.subject) ORDER BY id, place
        ) AS told JOIN work ON work.clip = told.id
        WHERE clip.id = told.id AND clip.subject IS NULL AND work.state <> 'withdrawn'
        RETURNING clip.id
    )
    SELECT coalesce(array_agg(id), '{}') INTO learned FROM known;
    IF learned <> '{}' THEN
        PERFORM note('load', p_clips => learned);
    END IF;
    RETURN ARRAY(
        SELECT DISTINCT id FROM unnest(p_clips, p_subjects) AS given (id, subject) JOIN work ON work.clip = id
        WHERE state <> 'withdrawn' AND EXISTS (SELECT FROM opt_out WHERE opt_out.subject = given.subject)
    );
END $$;

-- Destroy the keys and texts of critical clips whose hold is over. A reviewer may have that done, a supervisor also for
-- another moment.
CREATE OR REPLACE FUNCTION purge(p_now double precision) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
DECLARE
    gone integer;
BEGIN
    IF p_now IS NOT NULL AND NOT supervises() THEN
        PERFORM refuse('only a supervisor may destroy critical clips before their time');
    END IF;
    gone := destroy_due(coalesce(p_now, clock()));
    IF gone > 0 THEN
        PERFORM note('purge');
    END IF;
    RETURN gone;
END $$;

-- Sealed audio whose keys are gone, to be removed by whoever reaches it.
CREATE OR REPLACE FUNCTION to_remove() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$ SELECT object FROM rubbish $$;

CREATE OR REPLACE FUNCTION removed(p_objects text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    DELETE FROM rubbish WHERE object = ANY (p_objects)
$$;

-- What an export sees: everything committed now. Transaction numbers from another server, of which a dump was restored
-- here, lie in the future; they count as past.
CREATE OR REPLACE FUNCTION export_from() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
DECLARE
    now_seen constant pg_snapshot := pg_current_snapshot();
BEGIN
    IF (SELECT xact FROM line ORDER BY xact DESC LIMIT 1) > pg_current_xact_id() THEN
        UPDATE line SET xact = '3' WHERE xact > pg_current_xact_id();
    END IF;
    RETURN now_seen::text;
END $$;

-- Decisions of given verdicts, in order of arrival, a page after an arrival. A withdrawal takes effect between pages,
-- while decisions that came after the export began are left for the next: no clip comes twice. A decision that should
-- have a text and has none (erased) is no result.
CREATE OR REPLACE FUNCTION results(p_from text, p_after bigint, p_verdicts text[], p_every boolean, p_page integer)
RETURNS TABLE (
    arrival bigint, clip text, reviewer text, verdict text, envelope text, payload text, state text, hypothesis text,
    lang text, duration double precision, source text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT this.arrival, this.clip, this.reviewer, this.verdict, this.envelope, this.payload,
        work.state, clip.hypothesis, clip.lang, clip.duration, clip.source
    FROM line AS this JOIN work ON work.clip = this.clip JOIN clip ON clip.id = this.clip
    WHERE this.arrival > p_after AND pg_visible_in_snapshot(this.xact, p_from::pg_snapshot)
        AND this.verdict = ANY (p_verdicts)
        AND work.state <> 'withdrawn' AND (work.state <> 'critical' OR this.verdict = 'critical')
        AND (work.state <> 'escalated' OR this.verdict = 'escalated' OR p_every)
        AND (this.payload IS NOT NULL OR NOT p_every AND this.verdict NOT IN ('accepted', 'corrected'))
        AND (p_every OR NOT EXISTS (
            SELECT FROM line AS later
            WHERE later.clip = this.clip AND later.reviewer = this.reviewer AND later.verdict IS NOT NULL
                AND later.arrival > this.arrival AND pg_visible_in_snapshot(later.xact, p_from::pg_snapshot)
        ))
    ORDER BY this.arrival LIMIT least(p_page, 5000)
$$;

-- The policy as it is after setting what is not NULL; a cap of 0 takes the cap away.
CREATE OR REPLACE FUNCTION set_policy(
    p_critical_hold double precision, p_longest_lease double precision, p_lease_cap integer,
    OUT critical_hold double precision, OUT longest_lease double precision, OUT lease_cap integer
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    IF p_critical_hold IS NOT NULL OR p_longest_lease IS NOT NULL OR p_lease_cap IS NOT NULL THEN
        UPDATE policy SET
            critical_hold = coalesce(p_critical_hold, policy.critical_hold),
            longest_lease = coalesce(p_longest_lease, policy.longest_lease),
            lease_cap = nullif(coalesce(p_lease_cap, policy.lease_cap, 0), 0);
        PERFORM note('policy');
    END IF;
    SELECT policy.critical_hold, policy.longest_lease, policy.lease_cap
    INTO critical_hold, longest_lease, lease_cap FROM policy;
END $$;

-- How many opinions a clip wants, after setting it where it is given. What is decided already is then to be judged anew.
CREATE OR REPLACE FUNCTION want_opinions(p_opinions integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
BEGIN
    IF p_opinions IS NOT NULL THEN
        UPDATE policy SET opinions = p_opinions;
        PERFORM note('policy');
    END IF;
    RETURN (SELECT opinions FROM policy);
END $$;

-- Judge clips anew by how many opinions the policy wants now: as many as nobody who works here waits for long, in the
-- order of their ids after one. Critical and escalated ones do not hang on it. Says at which clip it ended (NULL: there
-- was none left), how many that were done are open again, and how many are done now.
CREATE OR REPLACE FUNCTION judge(p_after text, OUT upto text, OUT reopened integer, OUT done integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = earmark, pg_temp
    SET enable_seqscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
    page constant text[] := ARRAY(SELECT clip FROM work WHERE clip > p_after ORDER BY clip LIMIT 1000);
BEGIN
    PERFORM FROM work WHERE clip = ANY (page) ORDER BY clip FOR UPDATE;
    WITH judged AS (
        UPDATE work SET state = CASE
            WHEN stands = 'open' AND owner IS NOT NULL AND NOT opined(owner, work.clip) THEN 'leased' ELSE stands END
        FROM standing(page, 9223372036854775807) AS result
        WHERE work.clip = result.clip
            AND (work.state = 'done' AND stands = 'open' OR work.state IN ('open', 'leased') AND stands = 'done')
        RETURNING stands
    )
    SELECT count(*) FILTER (WHERE stands = 'open'), count(*) FILTER (WHERE stands = 'done') INTO reopened, done
    FROM judged;
    upto := page[cardinality(page)];
END $$;

GRANT EXECUTE ON FUNCTION purge(double precision) TO :"reviewer";
GRANT EXECUTE ON FUNCTION
    secrets(), outcomes(text[], bytea[], text[]),
    admit(text[], bytea[], text[], text[], double precision[], integer[], text[], bytea[], bytea[], text[]),
    learn(text[], bytea[]), to_remove(), removed(text[]), export_from(), results(text, bigint, text[], boolean, integer),
    set_policy(double precision, double precision, integer), want_opinions(integer), judge(text)
TO :"supervisor";
