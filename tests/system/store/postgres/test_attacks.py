"""What a reviewer's login role is for, and that nothing else can be done with it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from earmark.queue.decision import Verdict
from earmark.queue.journal.line import split
from earmark.queue.store.interface import Head, Refused, StoreError
from earmark.queue.store.postgres import PostgresStore

REVIEWERS = {
    "audio_key", "counts", "head", "hello", "lease", "purge", "push", "quarantined", "release", "renew", "reopen",
    "seal_keys", "withdrawals", "withdrawn",
}  # fmt: skip
SUPERVISORS = {
    "admit", "audit_amiss", "audit_chain", "audit_decisions", "audit_heads", "audit_page", "audit_reviewers",
    "audit_roles", "export_from", "is_outside", "judge", "learn", "not_outside", "nothing_outside", "outcomes",
    "removed", "replay", "results", "secrets", "set_policy", "shares", "to_remove", "want_opinions",
    "withdraw", "withdraw_subject",
}  # fmt: skip


@pytest.fixture
def anna(login, fill):
    fill(4)
    return login("anna")


def tables(team):
    return [
        name
        for (name,) in team.sql(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname = 'earmark' AND relkind IN ('r', 'v', 'S', 'm', 'p')"
        )
    ]


def may(team, role):
    return {
        name
        for (name,) in team.sql(
            "SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace "
            "WHERE nspname = 'earmark' AND has_function_privilege(%s, pg_proc.oid, 'EXECUTE')",
            role,
        )
    }


def test_no_table_can_be_touched(team, anna):
    found = tables(team)
    assert len(found) > 12
    for table in found:
        for attempt in (
            "SELECT * FROM earmark.{}", "DELETE FROM earmark.{}", "TRUNCATE earmark.{}",
            "COPY earmark.{} TO PROGRAM 'id'", "COPY earmark.{} TO STDOUT", "DROP TABLE earmark.{}",
            "ALTER TABLE earmark.{} OWNER TO CURRENT_USER",
        ):  # fmt: skip
            with pytest.raises((errors.InsufficientPrivilege, errors.WrongObjectType)):
                anna.execute(attempt.format(table))
    for attempt in (
        "INSERT INTO earmark.person VALUES (session_user, 'ben')",
        "UPDATE earmark.work SET owner = 'anna'",
        "INSERT INTO earmark.audit (at, role, what, via) VALUES (0, 'x', 'x', 'x')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            anna.execute(attempt)


def test_each_role_may_call_its_own_functions_and_no_others(team, anna):
    assert may(team, team.login("anna")) == REVIEWERS
    assert may(team, team.login("supervisor")) == REVIEWERS | SUPERVISORS
    for name in SUPERVISORS:
        with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedFunction)):
            anna.execute(f"SELECT earmark.{name}()")
    with pytest.raises(errors.InsufficientPrivilege):
        anna.execute("SELECT * FROM earmark.results(NULL, 0, '{accepted}', true, 9)")
    with pytest.raises(errors.InsufficientPrivilege):
        anna.execute("SELECT earmark.withdraw('{x}')")


def test_every_function_that_may_be_called_is_the_owners_with_a_path_of_its_own(team):
    unsafe = team.sql(
        "SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'earmark' "
        "AND has_function_privilege(%s, pg_proc.oid, 'EXECUTE') "
        "AND (prosecdef AND proconfig @> ARRAY['search_path=earmark, pg_temp']) IS NOT TRUE",
        team.made.roles.supervisor,
    )
    assert unsafe == []
    ((owner, login, boss),) = team.sql(
        "SELECT DISTINCT rolname, rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb FROM pg_proc "
        "JOIN pg_namespace n ON n.oid = pronamespace JOIN pg_roles r ON r.oid = proowner WHERE nspname = 'earmark'"
    )
    assert (owner, login, boss) == (team.made.roles.owner, False, False)


def test_nobody_else_is_let_into_the_database(team, server):
    team.sql(f"CREATE ROLE stranger_of_{team.database} LOGIN")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.url(team.database, f"stranger_of_{team.database}"))


def test_a_role_that_is_nobodys_can_do_nothing(team, fill):
    fill(1)
    team.sql(f"CREATE ROLE nobody_of_{team.database} LOGIN IN ROLE {team.made.roles.reviewer}")
    store = PostgresStore(team.server.url(team.database, f"nobody_of_{team.database}"), lease_seconds=60)
    for attempt in (
        lambda: store.lease("anna", 1), lambda: store.renew("anna", []), lambda: store.counts("anna"),
        lambda: store.push("d", "anna", []), lambda: store.audio("anna", "x"), lambda: store.reopen("anna", ["x"]),
    ):  # fmt: skip
        with pytest.raises(Refused, match="knows nobody by the login role"):
            attempt()
    store.close()


def test_who_one_is_cannot_be_claimed(team, anna, login):
    login("ben")
    store = team.open("anna")
    for attempt in (
        lambda: store.lease("ben", 1), lambda: store.renew("ben", []), lambda: store.release("ben", []),
        lambda: store.push("d", "ben", []), lambda: store.audio("ben", "x"), lambda: store.counts("ben"),
    ):  # fmt: skip
        with pytest.raises(Refused, match="reviews as 'anna' and as nobody else"):
            attempt()
    for role in (team.login("ben"), team.login("supervisor"), team.made.roles.owner, "postgres"):
        with pytest.raises(errors.InsufficientPrivilege):
            anna.execute(f"SET ROLE {role}")
        with pytest.raises(errors.InsufficientPrivilege):
            anna.execute(f"SET SESSION AUTHORIZATION {role}")
    anna.execute(f"SET ROLE {team.made.roles.reviewer}")  # one's own group: still the same session
    with pytest.raises(psycopg.DatabaseError, match="as nobody else") as caught:
        anna.execute("SELECT * FROM earmark.lease('ben', 1, NULL, '{}', 60)")
    assert caught.value.sqlstate == "EM001"


def test_a_supervisor_who_sets_another_role_is_still_themselves(team, login, fill):
    fill(1)
    login("ben")
    boss = team.open("supervisor")
    with pytest.raises(Refused, match="as nobody else"):
        boss.lease("ben", 1)


def test_others_leases_and_results(team, anna, device, store):
    bens = [one.clip.id for one in store.lease("ben", 2)]
    ben = device("ben")
    ben.decide(bens[0], Verdict.CORRECTED, "SECRET of ben")
    ben.push(store)
    mine = team.open("anna")
    with pytest.raises(Refused, match="not leased to anna"):
        mine.audio("anna", bens[1])
    mine.release("anna", bens)
    assert mine.renew("anna", bens) == frozenset()
    assert mine.reopen("anna", bens) == []
    assert not {one.clip.id for one in mine.lease("anna", 9, first=bens)} & set(bens)
    assert mine.head(ben.name) == Head()
    assert mine.quarantined(ben.name) == ()
    with pytest.raises(Refused, match="belongs to another reviewer"):
        mine.push(ben.name, "anna", ben.lines)
    with pytest.raises(Refused, match="may not do that"):
        list(mine.results())
    with pytest.raises(Refused, match="may not do that"):
        mine.withdraw(bens)
    with pytest.raises(Refused, match="before their time"):
        mine.purge(now=9e12)
    assert team.open("ben").audio("ben", bens[0])


def test_a_line_in_anothers_name_is_set_aside(team, anna, device, store):
    (clip,) = [one.clip.id for one in store.lease("anna", 1)]
    forged = device("ben")
    forged.decide(clip, Verdict.CRITICAL)
    pushed = team.open("anna").push(forged.name, "anna", forged.lines)
    assert [one.reason for one in pushed.quarantined] == ["it is another reviewer's"]
    assert team.open("anna").audio("anna", clip)


def test_no_programs_files_or_settings_of_the_server(anna):
    for attempt in (
        "COPY (SELECT 1) TO PROGRAM 'id'", "COPY (SELECT 1) TO '/var/tmp/x'", "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('.')", "SELECT lo_export(1, '/var/tmp/x')", "SELECT lo_import('/etc/passwd')",
        "ALTER SYSTEM SET fsync = off", "CREATE EXTENSION plpython3u", "SELECT pg_reload_conf()",
        "CREATE ROLE mallory SUPERUSER", "CREATE DATABASE mallory", "LOAD '/var/tmp/x.so'",
        "SELECT lo_creat(-1)", "SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')",
        "SELECT rolpassword FROM pg_authid", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE usename = 'postgres'",
    ):  # fmt: skip
        with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedFile, errors.FeatureNotSupported)):
            anna.execute(attempt)


def test_nothing_can_be_made_that_a_function_would_trip_over(team, anna):
    for attempt in (
        "CREATE TEMP TABLE work (clip text)", "CREATE TABLE public.work (clip text)", "CREATE SCHEMA mine",
        "CREATE FUNCTION public.clock() RETURNS double precision LANGUAGE sql AS 'SELECT 0.0::float8'",
        "CREATE FUNCTION pg_temp.known_as(text) RETURNS text LANGUAGE sql AS $$SELECT 'ben'$$",
        "CREATE FUNCTION earmark.known_as(name) RETURNS text LANGUAGE sql AS $$SELECT 'ben'$$",
        "CREATE OR REPLACE FUNCTION earmark.known_as(text) RETURNS text LANGUAGE sql AS $$SELECT 'ben'$$",
        "CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
        "CREATE TYPE public.entry AS (a int)", "CREATE VIEW public.latest AS SELECT 1",
    ):  # fmt: skip
        with pytest.raises((errors.InsufficientPrivilege, errors.DuplicateFunction)):
            anna.execute(attempt)
    anna.execute("SET search_path = pg_temp, public")
    assert len(anna.execute("SELECT * FROM earmark.lease('anna', 1, NULL, '{}', 60)").fetchall()) == 1


def test_input_past_all_bounds(team, anna, store, device):
    clips = [one.clip.id for one in store.lease("anna", 2)]
    mine = team.open("anna")
    one = device("anna")
    one.decide(clips[0], Verdict.CORRECTED, "fine")
    part = split(one.lines[0])

    def push(envelopes, payloads, chains, device="d"):
        return anna.execute(
            "SELECT * FROM earmark.push('anna', %s, %b::bytea[], %b::bytea[], %s::text[], 60)",
            (device, envelopes, payloads, chains),
        ).fetchone()

    for given in (
        ([part.envelope] * 2001, [part.payload] * 2001, [part.chain] * 2001),
        ([part.envelope], [], [part.chain]),
        ([part.envelope, None], [part.payload, b"null"], [part.chain, "x"]),
        ([[part.envelope]], [[part.payload]], [[part.chain]]),
    ):
        with pytest.raises(psycopg.DatabaseError, match="more journal lines than"):
            push(*given)
    with pytest.raises(psycopg.DatabaseError, match="more journal lines than"):
        push([part.envelope], [part.payload], [part.chain], device="d" * 201)
    with pytest.raises(Refused, match="ask for fewer"):
        mine.renew("anna", ["x"] * 10_001)
    with pytest.raises(StoreError):
        mine.lease("anna", 2**40)
    assert mine.lease("anna", -5) == []
    assert len(mine.lease("anna", 2**31 - 1)) == 4
    assert mine.lease("anna", 1, lang="x" * 1_000_000) == []
    with pytest.raises(Refused, match="has no clip xxx") as caught:
        mine.audio("anna", "x" * 1_000_000)
    assert len(str(caught.value)) < 200
    # A lease cannot be stretched past what the project allows.
    anna.execute("SELECT * FROM earmark.lease('anna', 9, NULL, '{}', 1e300)")
    ((most,),) = team.sql("SELECT max(lease_until) - earmark.clock() FROM earmark.work")
    assert most <= 14 * 86400 + 1


@pytest.mark.parametrize(
    "envelope",
    [
        b'{"v":1}', b"[]", b"3", b'"x"', b"null", b"", b"{" * 5000, b"[" * 8000, b"\xff\xfe", b"\x00",
        b'{"v":1e999999}', b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', b'{"a":"' + b"x" * 9000 + b'"}',
    ],
)  # fmt: skip
def test_an_envelope_of_any_shape_is_set_aside_alone(team, anna, store, device, envelope):
    import hashlib

    (clip,) = [one.clip.id for one in store.lease("anna", 1)]
    chain = hashlib.sha256(envelope).hexdigest()
    after = device("anna")
    after.decide("x", Verdict.SKIPPED)
    after.decide(clip, Verdict.ACCEPTED, "good")
    second = split(after.lines[1])
    chained = hashlib.sha256(chain.encode() + second.envelope).hexdigest()
    row = anna.execute(
        "SELECT last_seq, to_json(quarantined) FROM earmark.push('anna', %s, %b::bytea[], %b::bytea[], %s::text[], 60)",
        (after.name, [envelope, second.envelope], [b"null", second.payload], [chain, chained]),
    ).fetchone()
    assert row[0] == 2
    assert [one["seq"] for one in row[1]] == [1]
    assert [one.text for one in store.results()] == ["good"]


def test_an_error_quotes_no_row(team, anna, store, device):
    """PostgreSQL's own messages name keys and values; ours never pass them on."""
    team.sql("ALTER TABLE earmark.line ADD CONSTRAINT no CHECK (payload !~ 'SECRET')")
    (clip,) = [one.clip.id for one in store.lease("anna", 1)]
    one = device("anna")
    one.decide(clip, Verdict.CORRECTED, "SECRET")
    with pytest.raises(StoreError) as caught:
        one.push(store)
    assert "SECRET" not in str(caught.value)
    assert clip not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_checkout_that_is_gone_on_with_does_not_count_again(team, fill, clock):
    fill(8)
    team.sql("UPDATE earmark.policy SET lease_cap = 5")
    mine = [one.clip.id for one in team.lease("anna", 4, seconds=5000)]
    # What is left of it comes out a little shorter, or much: they are hers either way.
    for seconds in (4999, 100):
        again = team.lease("anna", 4, first=mine, seconds=seconds)
        assert [one.clip.id for one in again] == mine
        assert {one.expires for one in again} == {clock.now + 5000}
    assert team.sql("SELECT clips FROM earmark.drawn") == [(4,)]
    assert team.sql("SELECT count(*) FROM earmark.audit WHERE what = 'lease'") == [(1,)]
    more = [one.clip.id for one in team.lease("anna", 8, first=mine, seconds=100)]
    assert more[:4] == mine
    assert len(more) == 5
    assert team.sql("SELECT clips FROM earmark.drawn") == [(5,)]


def test_a_days_cap(team, fill, clock, login):
    fill(10)
    team.sql("UPDATE earmark.policy SET lease_cap = 5")
    store = team.open("anna")
    first = [one.clip.id for one in store.lease("anna", 3)]
    second = [one.clip.id for one in store.lease("anna", 9)]
    assert second[:3] == first
    assert len(second) == 5
    store.release("anna", second)
    with pytest.raises(Refused, match="as many clips today"):
        store.lease("anna", 1)
    with pytest.raises(Refused, match="as many clips today"):
        store.lease("anna", 1, first=second)
    assert len(team.open("ben").lease("ben", 9)) == 5
    clock.now += 86400
    assert len(store.lease("anna", 9)) == 5
    team.sql("UPDATE earmark.policy SET lease_cap = 2")
    assert len(store.lease("anna", 9)) == 5  # those one has already


def test_the_audit_tells_and_nobody_can_rewrite_it(team, anna, store, device):
    clips = [one.clip.id for one in store.lease("anna", 2)]
    one = device("anna")
    one.decide(clips[0], Verdict.ACCEPTED)
    one.decide(clips[1], Verdict.ACCEPTED)
    one.push(store)
    one.push(store)
    store.withdraw([clips[1]])
    told = team.sql("SELECT role, reviewer, what, device, first_seq, last_seq, clips FROM earmark.audit ORDER BY entry")
    by = team.login("anna")
    assert [(what, role) for role, _, what, *_ in told] == [
        ("load", team.login("supervisor")), ("lease", by), ("push", by), ("withdraw", team.login("supervisor")),
    ]  # fmt: skip
    assert told[1][6] == clips
    assert told[2][3:6] == (one.name, 1, 2)
    for role in (team.made.roles.reviewer, team.made.roles.supervisor, "public"):
        ((allowed,),) = team.sql(
            "SELECT has_table_privilege(%s, 'earmark.audit', 'INSERT, UPDATE, DELETE, TRUNCATE, SELECT')", role
        )
        assert not allowed
