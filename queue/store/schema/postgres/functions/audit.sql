-- The audit: entries are added and never changed, by nobody. Each login's are numbered and hashed one after the other.

-- What an entry's hash is over. A float's text hangs on settings of the session, a numeric's does not.
CREATE OR REPLACE FUNCTION audit_text(this audit) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_array(this.number, this.at::numeric, this.role, this.reviewer, this.what, this.via, this.device,
        this.first_seq, this.last_seq, this.journal, to_jsonb(this.clips))::text;
END $$;

-- Stable, as what it calls is, and so part of the caller's plan.
CREATE OR REPLACE FUNCTION audit_link(p_before text, p_text text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT encode(sha256(convert_to(p_before || p_text, 'UTF8')), 'hex') $$;

-- Add an entry. Two programs under one login take turns at its head; whoever holds it waits for nothing more.
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

CREATE OR REPLACE FUNCTION audit_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'audit_head' AND TG_OP = 'UPDATE' THEN
        IF NEW.role = OLD.role AND NEW.number = OLD.number + 1 THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit is added to and never changed' USING ERRCODE = 'EM001';
END $$;

CREATE OR REPLACE TRIGGER stays BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_stays();
CREATE OR REPLACE TRIGGER stays_whole BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();
CREATE OR REPLACE TRIGGER stays BEFORE UPDATE OR DELETE ON audit_head
FOR EACH ROW EXECUTE FUNCTION audit_stays();
CREATE OR REPLACE TRIGGER stays_whole BEFORE TRUNCATE ON audit_head
FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();

-- Entries after an entry, in order, to be shown: of a reviewer, since a time, about a clip.
CREATE OR REPLACE FUNCTION audit_page(
    p_after bigint, p_reviewer text, p_since double precision, p_clip text, p_page integer
) RETURNS TABLE (entry bigint, told text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT audit.entry, audit_text(audit) FROM audit
    WHERE audit.entry > p_after AND (p_reviewer IS NULL OR audit.reviewer = p_reviewer)
        AND (p_since IS NULL OR audit.at >= p_since)
        AND (p_clip IS NULL OR p_clip = ANY (audit.clips) OR EXISTS (
            SELECT FROM line WHERE line.clip = p_clip AND line.device = audit.device
                AND line.seq BETWEEN audit.first_seq AND audit.last_seq
        ))
    ORDER BY audit.entry LIMIT least(p_page, 1000)
$$;

-- What a push brought: no text.
CREATE OR REPLACE FUNCTION audit_decisions(p_device text, p_first bigint, p_last bigint)
RETURNS TABLE (seq bigint, clip text, verdict text, at text, heard double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT line.seq, line.clip, line.verdict, line.envelope::jsonb ->> 'at',
        (line.envelope::jsonb ->> 'heard')::double precision
    FROM line WHERE line.device = p_device AND line.seq BETWEEN p_first AND p_last AND line.verdict IS NOT NULL
    ORDER BY line.seq
$$;

CREATE OR REPLACE FUNCTION audit_heads() RETURNS TABLE (role text, number bigint, chain text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT role::text, number, chain FROM audit_head ORDER BY role
$$;

-- A login's entries after a number, in order, to be verified.
CREATE OR REPLACE FUNCTION audit_chain(p_role text, p_after bigint, p_page integer)
RETURNS TABLE (number bigint, told text, chain text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT audit.number, audit_text(audit), audit.chain FROM audit
    WHERE audit.role = p_role::name AND audit.number > p_after ORDER BY audit.number LIMIT least(p_page, 5000)
$$;

CREATE OR REPLACE FUNCTION audit_roles() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT role::text FROM audit UNION SELECT role::text FROM audit_head ORDER BY 1
$$;

-- Where the lines of a login's pushes are not those that its entries speak for: 'changed' (a line that does not follow
-- from the one before, or is not the one that a push ended with) or 'missing' (after line seq come lines that are
-- neither here nor set aside; reissued: a fork is on record, and a journal that was issued again brings lines that are
-- here already, which are passed over).
CREATE OR REPLACE FUNCTION audit_amiss(p_role text)
RETURNS TABLE (device text, seq bigint, what text, reissued boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    WITH brought AS (
        SELECT audit.device, min(first_seq) AS first, max(last_seq) AS last FROM audit
        WHERE audit.role = p_role::name AND audit.what = 'push' GROUP BY audit.device
    ), forked AS (
        SELECT EXISTS (SELECT FROM audit WHERE audit.role = p_role::name AND audit.what = 'fork') AS ever
    ), linked AS (
        SELECT line.device, line.seq, line.chain, line.envelope,
            lag(line.seq, 1, brought.first - 1) OVER by_seq AS before,
            lag(line.chain, 1, CASE WHEN brought.first = 1 THEN '' END) OVER by_seq AS before_chain,
            lead(line.seq, 1, brought.last + 1) OVER by_seq AS next
        FROM brought JOIN line ON line.device = brought.device AND line.seq BETWEEN brought.first AND brought.last
        WINDOW by_seq AS (PARTITION BY line.device ORDER BY line.seq)
    ), holes AS (
        SELECT linked.device, linked.seq AS after, linked.next AS next FROM linked WHERE linked.next > linked.seq + 1
        UNION ALL
        SELECT brought.device, brought.first - 1, coalesce(min(line.seq), brought.last + 1)
        FROM brought LEFT JOIN line ON line.device = brought.device AND line.seq BETWEEN brought.first AND brought.last
        GROUP BY brought.device, brought.first, brought.last
    )
    SELECT linked.device, linked.seq, 'changed', false FROM linked
    WHERE linked.before = linked.seq - 1
        AND audit_link(linked.before_chain, linked.envelope) <> linked.chain
    UNION
    SELECT audit.device, audit.last_seq, 'changed', false
    FROM audit JOIN line ON line.device = audit.device AND line.seq = audit.last_seq
    WHERE audit.role = p_role::name AND audit.what = 'push' AND audit.journal <> line.chain
    UNION
    SELECT holes.device, holes.after, 'missing', forked.ever FROM holes, forked
    WHERE holes.next - holes.after - 1 > (
        SELECT count(*) FROM quarantine
        WHERE quarantine.device = holes.device AND quarantine.seq > holes.after AND quarantine.seq < holes.next
    )
    ORDER BY 1, 2 LIMIT 1000
$$;

CREATE OR REPLACE FUNCTION audit_reviewers() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT DISTINCT reviewer FROM device ORDER BY 1
$$;

-- How a reviewer decided: all decisions but those that take one back; critical; skipped; those that need hearing; and of
-- these the ones whose clip was on the screen for less than half its length.
CREATE OR REPLACE FUNCTION shares(
    p_reviewer text, OUT decisions bigint, OUT critical bigint, OUT skipped bigint, OUT heard bigint, OUT fast bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = earmark, pg_temp AS $$
    SELECT count(*), count(*) FILTER (WHERE verdict = 'critical'), count(*) FILTER (WHERE verdict = 'skipped'),
        count(*) FILTER (WHERE needs), count(*) FILTER (WHERE needs AND seconds < duration / 2)
    FROM (
        SELECT line.verdict, line.verdict IN ('accepted', 'corrected', 'unintelligible') AS needs,
            (line.envelope::jsonb ->> 'seconds')::double precision AS seconds, clip.duration
        FROM device JOIN line ON line.device = device.id JOIN clip ON clip.id = line.clip
        WHERE device.reviewer = p_reviewer AND line.verdict <> 'retracted'
    ) AS decided
$$;

GRANT EXECUTE ON FUNCTION
    audit_page(bigint, text, double precision, text, integer), audit_decisions(text, bigint, bigint), audit_heads(),
    audit_chain(text, bigint, integer), audit_roles(), audit_amiss(text), audit_reviewers(), shares(text)
TO :"supervisor";
