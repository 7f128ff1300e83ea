"""A team's store that is away, comes back, or does not know who comes."""

from __future__ import annotations

import subprocess

from system.team.conftest import DATABASE, TEXTS, Team
from terminal.home import Home, decide, leave, opened

PASSPHRASE = "correct horse battery staple"
LEASED = (
    "SELECT (max(lease_until) - extract(epoch FROM now())) / 86400 BETWEEN {} AND {} + 0.001 "
    "FROM earmark.work WHERE owner IS NOT NULL"
)


def told(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def test_a_sitting_through_the_gate(team: Team, ada: Home) -> None:
    """The forced command has no environment: what the gate needs stands in its account's configuration."""
    with ada.console("review") as console:
        opened(console)
        console.wait(TEXTS[0])
        console.wait(lambda text: "fetching" not in text)
        decide(console, "u")
        console.wait("unsent 0", 20)
        assert leave(console) == 0
    assert team.results() == [("ada", "unintelligible")]
    assert team.sql("SELECT count(*) FROM earmark.work WHERE owner IS NOT NULL") == [(0,)]
    for command in ("status", "doctor"):
        assert ada.run(command).returncode == 0, told(ada.run(command))


def test_a_login_that_is_another_persons(team: Team) -> None:
    """The reviewer can do nothing about it: they are told at once who can."""
    ben = team.admit("ben", role="someone")
    done = ben.run("status")
    assert done.returncode == 1
    assert "this way in is ben's, but the store knows its login as someone" in told(done)
    assert "same person in --store and in --as" in told(done)
    team.told("store", "remove-reviewer", "someone")
    done = ben.run("status")
    assert done.returncode == 1
    assert "may not do that" in told(done), told(done)


def test_the_database_away_during_a_sitting_and_before_one(team: Team, ada: Home) -> None:
    with ada.console("review", env={"EARMARK_SYNC_SECONDS": "1"}) as console:
        opened(console)
        console.wait(TEXTS[0])
        console.wait(lambda text: "fetching" not in text)
        team.database.kill()
        decide(console, "u")
        console.wait("Not in step with the store", 30)
        console.wait(TEXTS[1])
        decide(console, "u")
        console.wait("unsent 2", 20)
        team.database.start()
        console.wait("unsent 0", 90)
        console.wait("In step with the store again.", 30)
        assert "Not in step" not in console.text()
        assert leave(console) == 0
    assert team.results() == [("ada", "unintelligible")] * 2

    team.database.kill()
    for command in ("status", "sync", "review"):
        with ada.console(command) as console:
            assert console.wait_exit(60) == 1
            said = " ".join(console.text().split())
        assert "does not answer" in said, said
        assert "this machine" not in said, said
    doctor = ada.run("doctor")
    assert doctor.returncode == 1
    assert "does not answer" in told(doctor)
    team.database.start()
    assert ada.run("sync").stdout.startswith("0 lines sent, 0 not sent")


def test_the_database_away_at_the_end(team: Team, ada: Home) -> None:
    """What did not arrive goes with the next sync, once."""
    with ada.console("review") as console:
        opened(console)
        console.wait(TEXTS[0])
        team.database.kill()
        decide(console, "u")
        assert leave(console) == 0
        assert "1 saved, 1 not sent yet." in console.text()
    assert ada.run("sync").returncode == 1
    team.database.start()
    for sent in ("1 line sent, 0 not sent", "0 lines sent, 0 not sent"):
        done = ada.run("sync")
        assert done.returncode == 0
        assert done.stdout.startswith(sent)
    assert team.results() == [("ada", "unintelligible")]


def test_rights_and_none_straight_at_the_store(team: Team) -> None:
    """The name comes from the login where none is set; a login without rights is told whom to ask."""
    team.told("store", "add-reviewer", "Cy Coleman", "--role", "cy")
    cy = Home(team.folder / "cy", EARMARK_STORE=team.database.url(DATABASE, "cy"))
    del cy.env["EARMARK_REVIEWER"]
    cy.env["EARMARK_MASTER_KEY"] = str(team.master_key)
    for command in ("status", "sync", "doctor"):
        done = cy.run(command)
        assert done.returncode == 0, told(done)
    assert "at hand for Cy Coleman" in told(cy.run("doctor"))
    for command in (("load", "x.jsonl"), ("export", "-"), ("withdraw", "x", "--yes")):
        done = cy.run(*command)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    team.sql("CREATE ROLE stranger LOGIN", database="postgres")
    cy.env["EARMARK_STORE"] = team.database.url(DATABASE, "stranger")
    for command in ("status", "sync", "doctor"):
        done = cy.run(command)
        assert done.returncode == 1
        assert "add-reviewer" in told(done) or "login was refused" in told(done), told(done)


def test_the_policy_holds_over_the_gate(team: Team, ada: Home) -> None:
    """The cap is no trouble of the line: what is decided arrives, and one is told why nothing comes."""
    team.told("store", "policy", "--lease-cap", "2", "--longest-lease-days", "2")
    with ada.console("review") as console:
        opened(console)
        decide(console, "u")
        decide(console, "u")
        console.wait("You have been given as many clips today as your project allows", 30)
        console.wait("unsent 0")
        assert "Not in step" not in console.text()
        assert "! unsent" not in console.text()
        assert leave(console) == 0
    done = ada.run("checkout", "1", input=f"{PASSPHRASE}\n")
    assert done.returncode == 1
    assert "the next come tomorrow" in told(done)
    team.told("store", "policy", "--lease-cap", "0")
    done = ada.run("checkout", "1", "--days", "5", input=f"{PASSPHRASE}\n")
    assert done.returncode == 0
    assert "does not lease clips for that long" in told(done)
    assert team.sql(LEASED.format(1.9, 2)) == [(True,)]


def test_a_gate_may_allow_less_than_the_policy(team: Team) -> None:
    ben = team.admit("ben", more=("--most-days", "0.5"))
    done = ben.run("checkout", "1", "--days", "5", input=f"{PASSPHRASE}\n")
    assert done.returncode == 0
    assert "does not lease clips for that long" in told(done)
    assert team.sql(LEASED.format(0.4, 0.5)) == [(True,)]
