"""Reviewing over a real sshd."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from system.gate.conftest import TEXTS, Team, gate_command
from terminal.home import Home, decide, leave, opened


def told(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def test_a_sitting_over_ssh(team: Team, ada: Home) -> None:
    with ada.console("review") as console:
        opened(console)
        console.wait(TEXTS[0])
        decide(console, "u")
        console.wait(TEXTS[1])
        decide(console, "s")
        console.wait("unsent 0", 20)
        assert leave(console) == 0
        assert "2 saved, 0 not sent yet." in console.text()
    assert team.results() == [("ada", "unintelligible", None), ("ada", "skipped", None)]
    with team.host.database() as connection:
        assert connection.execute("SELECT count(*) FROM clip WHERE owner IS NOT NULL").fetchone() == (0,)
    connection.close()
    assert {line["reviewer"] for line in ada.lines()} == {"ada"}
    # Clips are heard and read here, and leave nothing on this machine.
    assert ada.holding("machine text") == []
    assert ada.holding("fLaC") == []
    status = ada.run("status")
    assert "2 clips by you: 1 skipped, 1 unintelligible" in told(status)
    assert "0 lines of your journal not in the store" in told(status)
    assert ada.run("sync").stdout.startswith("0 lines sent, 0 not sent")
    assert "2 lines sound" in told(ada.run("journal", "verify"))
    doctor = told(ada.run("doctor"))
    assert "at hand for ada" in doctor
    assert "2 lines, 0 unsent" in doctor


def test_what_is_decided_while_the_host_is_away_arrives_later(team: Team, ada: Home) -> None:
    with ada.console("review", env={"EARMARK_SYNC_SECONDS": "1"}) as console:
        opened(console)
        console.wait(TEXTS[0])
        console.wait(lambda text: "fetching" not in text)
        team.server.halt()
        decide(console, "u")
        console.wait("Not in step with the store", 30)
        assert leave(console) == 0
        assert "1 saved, 1 not sent yet." in console.text()
    assert team.results() == []
    assert "cannot be reached" in told(ada.run("sync"))
    team.server.start()
    assert ada.run("sync").stdout.startswith("1 line sent, 0 not sent")
    assert team.results() == [("ada", "unintelligible", None)]


def test_a_connection_that_is_cut_comes_back_by_itself_where_no_prompt_is_needed(team: Team, ada: Home) -> None:
    with ada.console("review", env={"EARMARK_SYNC_SECONDS": "1"}) as console:
        opened(console)
        for number in range(3):
            console.wait(TEXTS[number])
            team.server.hang_up()
            assert decide(console, "u") == number + 1
            console.wait("unsent 0", 60)
        assert leave(console) == 0
    assert len(team.results()) == 3


def test_leaving_does_not_wait_for_a_host_that_hangs(team: Team, ada: Home) -> None:
    with ada.console("review") as console:
        opened(console)
        console.wait(TEXTS[0])
        team.server.freeze()
        decide(console, "u")
        assert leave(console) == 0  # ssh would hold out for three quarters of a minute
        assert "1 saved, 1 not sent yet." in console.text()


def test_two_reviewers_by_two_keys(team: Team, ada: Home) -> None:
    team.admit("ben")
    ben = team.reviewer("ben")
    with ada.console("review", "--limit", "5") as first, ben.console("review", "--limit", "5") as second:
        opened(first)
        opened(second)
        for console in (first, second):
            for number in range(5):
                assert decide(console, "u") == number + 1
            assert leave(console) == 0
    rows = team.results()
    assert sorted(reviewer for reviewer, _, _ in rows) == ["ada"] * 5 + ["ben"] * 5
    with team.host.database() as connection:
        assert connection.execute("SELECT count(DISTINCT clip) FROM line").fetchone() == (10,)
    connection.close()


def test_nobody_comes_in_another_name(team: Team, ada: Home) -> None:
    done = ada.run("--reviewer", "ben", "status")
    assert done.returncode == 1
    assert "for ada alone" in told(done)
    assert ada.run("--reviewer", "ada", "status").returncode == 0


@pytest.mark.parametrize(
    "command",
    [("load", "x.jsonl"), ("export", "-"), ("withdraw", "x", "--yes"), ("withdraw", "--yes", "--subject", "x")],
)
def test_a_supervisors_commands_say_that_this_way_is_for_reviewing(ada: Home, command: tuple[str, ...]) -> None:
    done = ada.run(*command)
    assert done.returncode == 1
    assert "is for reviewing: load, export and withdraw on the store's own host" in told(done)


def test_a_forced_command_leads_to_its_own_store_whatever_the_url_says(team: Team) -> None:
    assert team.reviewer("same", "ssh://ada/earmark/store").run("status").returncode == 0
    elsewhere = team.reviewer("elsewhere", "ssh://ada//srv/other").run("status")
    assert elsewhere.returncode == 1
    assert "leads to another store" in told(elsewhere)


def test_an_account_of_ones_own_on_the_host_needs_no_forced_command(
    tmp_path: Path, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = tmp_path / "earmark-bin"
    binaries.mkdir()
    program = binaries / "earmark"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m earmark.tui "$@"\n')
    program.chmod(0o755)
    config = team.server.folder / "sshd_config"
    config.write_text(config.read_text() + f"SetEnv PATH={binaries}:/usr/bin:/bin\n")
    team.server.key("own", options="")
    team.server.halt()
    team.server.start()
    done = team.reviewer("own", f"ssh://own/{team.host.path / 'store'}").run("status")
    assert done.returncode == 0, done.stderr
    assert "12 clips that you could review" in done.stdout
    odd = team.reviewer("odd", "ssh://own/-o;touch%20pwned/store").run("status")
    assert odd.returncode == 0, odd.stderr  # a folder's name like another
    assert not list(Path.home().glob("pwned*"))


def test_a_host_without_earmark_says_so(team: Team) -> None:
    team.server.key("bare", command="no-such-earmark gate")
    done = team.reviewer("bare").run("status")
    assert done.returncode == 1
    assert "has no earmark on its path" in told(done)


def test_a_login_that_prints_does_no_harm(team: Team) -> None:
    team.server.key("noisy", command=f"echo Welcome; {gate_command(team.host, '--store', team.store, '--as', 'eve')}")
    assert team.reviewer("noisy").run("status").returncode == 0


def test_an_unknown_host_key_is_refused_with_ssh_s_own_words(team: Team, ada: Home) -> None:
    (team.server.folder / "known_hosts").write_text("")
    done = ada.run("status", stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "Host key verification failed" in told(done)


def test_a_store_that_does_not_open_is_told_at_the_other_end(team: Team) -> None:
    team.server.key("lost", command=gate_command(team.host, "--store", "sqlite:////dev/null/store", "--as", "eve"))
    done = team.reviewer("lost").run("status")
    assert done.returncode == 1
    assert "no store can be made here" in told(done)
