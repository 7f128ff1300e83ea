"""A whole offline sitting: clips checked out, decided where no store can be reached, and checked in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from terminal.console import Console, earmark
from terminal.home import Home, decide, leave, opened

HEARD, TYPED = "zyxheardsecret", "qvwtypedsecret"
TEXTS = [f"number {n} {HEARD}" for n in range(6)]
PASSPHRASE = "correct horse battery staple"


class Away:
    """A team's store and a reviewer's machine, each with a home of its own, and what comes between them."""

    def __init__(self, folder: Path) -> None:
        self.team = Home(folder / "team")
        self.team.fill(TEXTS)
        self.store = self.team.path / "store"
        self.home = Home(folder / "mine", EARMARK_STORE=f"sqlite:///{self.store}")

    def cut(self) -> None:
        """The store cannot be reached from now on."""
        self.store.rename(self.store.with_name("elsewhere"))
        self.store.write_text("no folder")

    def mend(self) -> None:
        self.store.unlink()
        self.store.with_name("elsewhere").rename(self.store)

    def checkout(self, *arguments: str, code: int = 0) -> str:
        done = self.home.run("checkout", *arguments, input=f"{PASSPHRASE}\n")
        assert done.returncode == code, done.stderr
        return " ".join((done.stdout + done.stderr).split())

    def review(self, *arguments: str) -> Console:
        console = self.home.console("review", *arguments)
        enter_passphrase(console)
        return console

    def results(self) -> list[tuple[str, str | None]]:
        connection = sqlite3.connect(self.store / "store.db")
        try:
            return connection.execute(
                "SELECT verdict, json_extract(payload, '$.text') FROM line WHERE verdict IS NOT NULL ORDER BY arrival"
            ).fetchall()
        finally:
            connection.close()

    def owned(self) -> int:
        connection = sqlite3.connect(self.store / "store.db")
        try:
            return int(connection.execute("SELECT count(*) FROM clip WHERE owner IS NOT NULL").fetchone()[0])
        finally:
            connection.close()

    def batch(self) -> Path:
        (batch,) = (self.home.path / "batches").iterdir()
        return batch


def enter_passphrase(console: Console, passphrase: str = PASSPHRASE) -> None:
    console.wait("Passphrase of the batch:", 20)
    console.type(f"{passphrase}\r")


def said(raw: str) -> str:
    return " ".join(raw.split())


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Away]:
    yield Away(tmp_path)


def test_a_whole_sitting_away_from_the_store(away: Away) -> None:
    home = away.home
    with home.console("checkout", "5") as console:
        console.wait("A passphrase for the batch")
        console.type("short\r")
        console.wait("five or six random words")
        console.wait(lambda text: text.rstrip().endswith("or more:"))
        console.type(f"{PASSPHRASE}\r")
        console.wait("The same again")
        console.type(f"{PASSPHRASE}\r")
        assert console.wait_exit(30) == 0, console.text()
        assert "5 clips checked out until" in console.text()
        assert PASSPHRASE not in console.raw.decode()
    assert away.owned() == 5
    away.cut()

    with home.console("review") as console:
        enter_passphrase(console, "no, another one")
        console.wait("That passphrase does not open the batch.", 20)
        console.settle(0.3)
        console.type(f"{PASSPHRASE}\r")
        opened(console)
        console.wait(TEXTS[0])
        assert "offline until" in console.lines()[0]
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}1")
        console.wait(f"{TYPED}1")
        assert decide(console, "enter") == 1
        console.wait(TEXTS[1])
        assert decide(console, "c") == 2
        console.press("backspace")
        console.wait("Taken back")
        assert TEXTS[1] in console.text()
        assert len(list((away.batch() / "clips").glob("*.clip"))) == 5
        assert decide(console, "c") == 4
        console.wait(TEXTS[2])
        console.wait(lambda _: len(list((away.batch() / "clips").glob("*.clip"))) == 4)
        assert decide(console, "u") == 5
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}2\x07")
        console.wait("YOUR TEXT")
        console.wait("unsent 5")
        assert "! unsent" not in console.text() and "Not in step" not in console.text()
        assert leave(console) == 0
        assert "5 saved, 5 not sent yet. `earmark checkin` sends what you decided." in said(console.text())
    assert not home.holding(HEARD, home.folder) and not home.holding(TYPED, home.folder)
    assert home.run("journal", "verify").returncode == 0
    shown = home.run("journal", "show").stdout
    assert "sealed for the store" in shown and "sealed in the batch" in shown
    status = said(home.run("status").stdout)
    assert "4 clips checked out until" in status and "not reached" in status and "5 lines" not in status
    assert "checked out until" in said(home.run("doctor").stdout)

    with away.review() as console:
        opened(console)
        console.wait("You left this text unfinished")
        console.wait(f"{TYPED}2")
        assert decide(console, "enter") == 1
        # What was decided in the sitting before can be read, and revised.
        for _ in range(3):
            console.press("p")
            console.wait("DECIDED")
            console.settle(0.3)
        assert f"{TYPED}1" in console.text()
        assert leave(console) == 0

    away.mend()
    done = home.run("checkin")
    assert done.returncode == 0, done.stderr
    assert "lines sent, 0 not sent" in said(done.stdout) and "given back; nothing of them is left here" in done.stdout
    assert not list((home.path / "batches").iterdir())
    assert away.results() == [
        ("corrected", f"{TEXTS[0]} {TYPED}1"),
        ("critical", None),
        ("retracted", None),
        ("critical", None),
        ("unintelligible", None),
        ("corrected", f"{TEXTS[3]} {TYPED}2"),
    ]
    assert away.owned() == 0
    assert home.run("checkin").stdout.endswith("Nothing is checked out here.\n")
    assert len(away.results()) == 6
    assert home.run("journal", "verify").returncode == 0
    assert not home.holding(HEARD, home.folder) and not home.holding(TYPED, home.folder)
