-- The audit as chains: each login's entries are numbered and hashed one after the other, so that an entry that is removed
-- or changed is seen, at the latest against a head that was exported before. A push's entry also holds the chain of the
-- journal that it brought, and so speaks for its lines. Entries are added and never changed, by nobody.

ALTER TABLE audit ADD COLUMN number bigint, ADD COLUMN journal text COLLATE "C", ADD COLUMN chain text COLLATE "C";

-- Where each login's chain ends.
CREATE TABLE audit_head (
    role name PRIMARY KEY,
    number bigint NOT NULL,
    chain text COLLATE "C" NOT NULL
) WITH (fillfactor = 50);

-- What is there already: `audit_text` and `audit_link` as they were at this number.
DO $$
DECLARE
    this audit;
    last audit_head;
BEGIN
    FOR this IN SELECT * FROM audit ORDER BY entry LOOP
        INSERT INTO audit_head (role, number, chain) VALUES (this.role, 0, '') ON CONFLICT DO NOTHING;
        SELECT * INTO last FROM audit_head WHERE role = this.role;
        this.number := last.number + 1;
        this.chain := encode(sha256(convert_to(last.chain || jsonb_build_array(
            this.number, this.at::numeric, this.role, this.reviewer, this.what, this.via, this.device,
            this.first_seq, this.last_seq, this.journal, to_jsonb(this.clips)
        ), 'UTF8')), 'hex');
        UPDATE audit SET number = this.number, chain = this.chain WHERE entry = this.entry;
        UPDATE audit_head SET number = this.number, chain = this.chain WHERE role = this.role;
    END LOOP;
END $$;

ALTER TABLE audit ALTER COLUMN number SET NOT NULL, ALTER COLUMN chain SET NOT NULL, ADD UNIQUE (role, number);

REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM CURRENT_USER;
REVOKE DELETE, TRUNCATE ON audit_head FROM CURRENT_USER;
