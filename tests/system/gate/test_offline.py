"""Clips checked out over a real sshd, reviewed while it is gone, and checked in."""

from __future__ import annotations

from system.gate.conftest import TEXTS, Team
from terminal.home import Home, decide, leave, opened

PASSPHRASE = "correct horse battery staple"
TYPED = "qvwtypedsecret"


def told(text: str) -> str:
    return " ".join(text.split())


def checkout(home: Home, *arguments: str) -> str:
    done = home.run("checkout", *arguments, input=f"{PASSPHRASE}\n")
    assert done.returncode == 0, done.stderr
    return told(done.stdout + done.stderr)


def start_again(team: Team) -> None:
    team.server.runtime.mkdir(mode=0o700)
    team.server.start()


def test_a_sitting_without_the_host(team: Team, ada: Home) -> None:
    assert "5 clips checked out until" in checkout(ada, "5")
    team.server.stop()
    with ada.console("review") as console:
        console.wait("Passphrase of the batch:", 20)
        console.type(f"{PASSPHRASE}\r")
        opened(console)
        console.wait(TEXTS[0])
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}")
        console.wait(TYPED)
        decide(console, "enter")
        console.wait(TEXTS[1])
        decide(console, "c")
        console.wait("unsent")
        assert "Not in step" not in console.text()
        assert leave(console) == 0
    for text in ("machine text", TYPED):
        assert not ada.holding(text, ada.folder)
    assert "5 clips checked out" not in told(ada.run("status").stdout)
    assert "4 clips checked out" in told(ada.run("status").stdout)
    assert ada.run("checkin").returncode == 1
    assert list((ada.path / "batches").iterdir()), "nothing is given up before the host has it"

    start_again(team)
    done = ada.run("checkin")
    assert done.returncode == 0, done.stderr
    assert team.results() == [("ada", "corrected", f"{TEXTS[0]} {TYPED}"), ("ada", "critical", None)]
    assert not list((ada.path / "batches").iterdir())
    with team.host.database() as connection:
        assert connection.execute("SELECT count(*) FROM clip WHERE owner IS NOT NULL").fetchone() == (0,)
    connection.close()
    assert ada.run("checkin").returncode == 0
    assert len(team.results()) == 2


def test_the_host_says_for_how_long_at_most(team: Team) -> None:
    from system.gate.conftest import gate_command

    command = gate_command(team.host, "--store", team.store, "--as", "ben", "--most-days", "0.5")
    team.server.key("ben", command=command)
    ben = team.reviewer("ben")
    assert "does not lease clips for that long" in checkout(ben, "2", "--days", "5")
    with team.host.database() as connection:
        (until,) = connection.execute("SELECT max(lease_until) - unixepoch() FROM clip").fetchone()
    connection.close()
    assert until <= 0.5 * 86400 + 2


def test_a_line_that_is_cut_again_and_again(team: Team, ada: Home) -> None:
    """Each try gets some clips further, or none; in the end all are here, and leased."""
    import subprocess

    from terminal.console import earmark

    for _ in range(3):
        process = subprocess.Popen(
            earmark("checkout", "10"),
            env=ada.whole_env,
            cwd=ada.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.write(f"{PASSPHRASE}\n".encode())
        process.stdin.close()
        before = len(list(ada.path.glob("batches/*/clips/*.clip")))
        while process.poll() is None and len(list(ada.path.glob("batches/*/clips/*.clip"))) <= before:
            pass
        team.server.hang_up()
        process.wait(60)
    assert "10 clips checked out until" in checkout(ada, "10")
    with team.host.database() as connection:
        assert connection.execute("SELECT count(*) FROM clip WHERE owner = 'ada'").fetchone() == (10,)
    connection.close()
