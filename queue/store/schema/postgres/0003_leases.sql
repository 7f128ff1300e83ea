-- A clip with its lease, as a reviewer's program gets it.

CREATE TYPE leased AS (
    lease text, clip text, lang text, duration double precision, rate integer, hypothesis text, peaks bytea,
    expires double precision
);
