-- Journal lines on their way into the store.

-- A journal line on its way in. fault and flaw say why it is no good: fault, that it cannot be read; flaw, that its
-- payload is not the one it states. apart: what it does depends on other lines of this push, or undoes something.
CREATE TYPE entry AS (
    seq bigint,
    stated bigint,
    fault text,
    flaw text,
    kind text,
    device text,
    reviewer text,
    id uuid,
    clip text,
    verdict text,
    reason text,
    lease text,
    envelope text,
    payload text,
    chain text,
    state text,
    late boolean,
    apart boolean
);

CREATE TYPE set_aside AS (seq bigint, reason text);
