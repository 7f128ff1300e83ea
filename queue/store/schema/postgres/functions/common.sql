-- What all other functions build on.

CREATE OR REPLACE FUNCTION clock() RETURNS double precision
LANGUAGE sql VOLATILE AS $$ SELECT extract(epoch FROM clock_timestamp())::double precision $$;

CREATE OR REPLACE FUNCTION refuse(message text, code text DEFAULT 'EM001') RETURNS void
LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', message USING ERRCODE = code; END $$;

-- In whose name the caller acts; refused when that is not who the program says.
CREATE OR REPLACE FUNCTION known_as(claimed text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text := (SELECT reviewer FROM person WHERE role = session_user);
BEGIN
    IF found IS NULL THEN
        PERFORM refuse(format('the store knows nobody by the login role %s: ask for it to be added '
            '(earmark store add-reviewer)', session_user));
    ELSIF found IS DISTINCT FROM claimed THEN
        PERFORM refuse(format('the login role %s reviews as ''%s'' and as nobody else: set reviewer to that name',
            session_user, found));
    END IF;
    RETURN found;
END $$;
