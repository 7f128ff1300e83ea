-- How many different reviewers must have decided a clip before it is done: one, unless the policy wants more.
--
-- While it has fewer opinions than that, a clip is open, and goes to one reviewer at a time who has none on it. Whoever
-- decided it last keeps the lease until it runs out, to hear it again and to take the decision back; it is not renewed,
-- and it binds nobody: such clips go to others as soon as no other clip is left. So an open clip that has an owner is
-- one on which its owner has a standing opinion, and a leased one is one on which its owner has none.

ALTER TABLE policy ADD COLUMN opinions integer NOT NULL DEFAULT 1 CHECK (opinions BETWEEN 1 AND 9);

-- Whether a reviewer has a standing opinion on a clip: decided it, with the text being there where it has one.
CREATE FUNCTION opined(p_reviewer text, p_clip text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT verdict = 'unintelligible' OR verdict IN ('accepted', 'corrected') AND payload IS NOT NULL FROM line
        WHERE clip = p_clip AND reviewer = p_reviewer AND verdict IS NOT NULL ORDER BY arrival DESC LIMIT 1
    ), false)
$$;

-- Whether a clip is not to be given to a reviewer again: skipped, or decided.
CREATE OR REPLACE FUNCTION skipped(p_reviewer text, p_clip text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT verdict IN ('skipped', 'unintelligible') OR verdict IN ('accepted', 'corrected') AND payload IS NOT NULL
        FROM line
        WHERE clip = p_clip AND reviewer = p_reviewer AND verdict IS NOT NULL ORDER BY arrival DESC LIMIT 1
    ), false)
$$;

-- What changes in functions of earlier migrations is a line here and there: what stands in it, and what will.
CREATE FUNCTION change(p_function regprocedure, p_from text, p_to text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    whole constant text := pg_get_functiondef(p_function);
BEGIN
    IF strpos(whole, p_from) = 0 THEN
        PERFORM refuse(format('%s is not the function that this migration knows', p_function), 'EM002');
    END IF;
    EXECUTE replace(whole, p_from, p_to);
END $$;

SELECT change('standing(text[], bigint)',
    'WHEN bool_or(decided) THEN ''done''',
    'WHEN count(*) FILTER (WHERE decided) >= (SELECT opinions FROM policy) THEN ''done''');

SELECT change('push(text, text, bytea[], bytea[], text[], double precision)',
    'THEN ''leased'' ELSE stands END',
    'AND NOT opined(owner, work.clip) THEN ''leased'' ELSE stands END');

-- One decision alone makes a clip done only where one is wanted. Asked under the locks: what is judged anew meanwhile is
-- judged after this push, or this push goes by the new number.
SELECT change('push(text, text, bytea[], bytea[], text[], double precision)',
    'CASE WHEN work.state NOT IN (''withdrawn'', ''critical'') AND CASE',
    'CASE WHEN (SELECT opinions = 1 FROM policy) AND work.state NOT IN (''withdrawn'', ''critical'') AND CASE');

SELECT change('settle(entry, bigint, double precision, double precision)',
    'CASE WHEN leaves = ''open'' AND owner IS NOT NULL THEN',
    'CASE WHEN leaves = ''open'' AND owner IS NOT NULL AND NOT opined(owner, e.clip) THEN');

-- Who takes an opinion back gets the clip, unless somebody is at it who has not decided it.
SELECT change('settle(entry, bigint, double precision, double precision)',
    'lease_until <= p_now)',
    'lease_until <= p_now OR opined(owner, e.clip))');
SELECT change('settle(entry, bigint, double precision, double precision)',
    'greatest(p_until, coalesce(lease_until, 0))',
    'greatest(p_until, CASE WHEN owner = e.reviewer THEN lease_until END)');

-- First the clips that nobody has, then those that are only kept by who decided them last. A decision of the reviewer's
-- own that was on its way here meanwhile is seen at the end, when nothing more can come to these clips.
SELECT change('draw(text, text, integer)',
    'most bigint := 2147483647;',
    'most bigint := 2147483647;
    kept boolean := false;
    several constant boolean := (SELECT opinions > 1 FROM policy);');
SELECT change('draw(text, text, integer)',
    'EXIT WHEN level IS NULL;',
    'IF level IS NULL THEN
            EXIT WHEN kept OR NOT several;
            kept := true;
            most := 2147483647;
            CONTINUE;
        END IF;');
SELECT change('draw(text, text, integer)',
    'arrival >= start AND arrival < stop',
    'arrival >= start AND arrival < stop
                        AND (owner IS NOT NULL) = kept');
SELECT change('draw(text, text, integer)',
    'SELECT verdict = ''skipped'' FROM line',
    'SELECT verdict IN (''skipped'', ''unintelligible'')
                                OR verdict IN (''accepted'', ''corrected'') AND payload IS NOT NULL
                            FROM line');
SELECT change('draw(text, text, integer)',
    '    END LOOP;
END',
    '    END LOOP;
    IF several THEN
        SELECT coalesce(array_agg(clip ORDER BY number), ''{}''), coalesce(array_agg(place ORDER BY number), ''{}'')
        INTO clips, places
        FROM unnest(clips, places) WITH ORDINALITY AS drawn (clip, place, number)
        WHERE NOT skipped(p_reviewer, clip);
    END IF;
END');

-- Where several opinions are wanted, each reviewer's own is theirs to revise, whoever has decided after them.
SELECT change('reopen(text, text[], double precision)',
    'OR lease_until <= t)',
    'OR lease_until <= t OR state = ''open'')');
SELECT change('reopen(text, text[], double precision)',
    'AND me = (
                SELECT reviewer FROM line WHERE line.clip = work.clip AND verdict IS NOT NULL
                ORDER BY line.arrival DESC LIMIT 1
            )',
    'AND (me = (
                SELECT reviewer FROM line WHERE line.clip = work.clip AND verdict IS NOT NULL
                ORDER BY line.arrival DESC LIMIT 1
            ) OR (SELECT opinions > 1 FROM policy) AND state <> ''escalated'' AND opined(me, clip))');
SELECT change('reopen(text, text[], double precision)',
    'state = CASE state WHEN ''open'' THEN ''leased'' ELSE state END',
    'state = CASE WHEN state NOT IN (''open'', ''leased'') THEN state
            WHEN opined(me, clip) THEN ''open'' ELSE ''leased'' END');

SELECT change('renew(text, text[], double precision)', 'AND owner = me;', 'AND owner = me AND state <> ''open'';');

-- How many of the clips that could be given to the reviewer now they have decided before. Theirs are fewer than those
-- that are open.
CREATE FUNCTION opined_at_hand(p_reviewer text, p_now double precision) RETURNS bigint
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

SELECT change('counts(text)', '        );
END', '        ) - opined_at_hand(me, t);
END');

DROP FUNCTION change(regprocedure, text, text);

-- How many opinions a clip wants, after setting it where it is given. What is decided already is then to be judged anew.
CREATE FUNCTION want_opinions(p_opinions integer) RETURNS integer
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
CREATE FUNCTION judge(p_after text, OUT upto text, OUT reopened integer, OUT done integer)
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

GRANT EXECUTE ON FUNCTION want_opinions(integer), judge(text) TO :"supervisor";
