"""A whole offline sitting: clips checked out, decided where no store can be reached, and checked in."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.open import open_store
from earmark.tui.commands.common import journal_folder
from earmark.tui.settings import Settings
from needs import need
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
        raw = console.raw.decode()
        assert PASSPHRASE not in raw
        # The bar is drawn, not spelt out, and has nothing of a clip in it.
        assert "checking out" in raw and "\x1b[2K" in raw and "\\u001b" not in raw
        assert HEARD not in raw
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
        console.wait(lambda _: len(list((away.batch() / "clips").glob("*.clip"))) == 5)
        assert decide(console, "c") == 4
        console.wait(TEXTS[2])
        console.wait(lambda _: len(list((away.batch() / "clips").glob("*.clip"))) == 4)
        assert decide(console, "u") == 5
        console.wait(TEXTS[3])
        console.settle(0.3)
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
        for _ in range(2):
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


def gone(away: Away) -> bool:
    """A command that looks at what is checked out finds its time over, and says so."""
    return "have been destroyed here" in away.home.run("status").stderr


def test_when_the_time_is_over_the_copies_go_and_the_results_stay(away: Away) -> None:
    away.checkout("3")
    away.cut()
    with away.review() as console:
        opened(console)
        console.wait(TEXTS[0])
        decide(console, "u")
        assert leave(console) == 0
    assert not gone(away)
    # As if somebody had looked at the clock four days later, and had set it back since.
    seen = away.batch() / "seen.json"
    known = json.loads(seen.read_text())
    known["time"]["at"] += 4 * 86400
    seen.write_text(json.dumps(known))
    assert gone(away)
    assert not list((away.home.path / "batches").iterdir())
    away.mend()
    done = away.home.run("checkin")
    assert done.returncode == 0 and done.stdout.startswith("1 line sent, 0 not sent")
    assert away.results() == [("unintelligible", None)]


def test_over_while_it_is_on_the_screen(away: Away) -> None:
    away.checkout("3", "--days", "0.0002")
    away.cut()
    with away.home.console("review", env={"EARMARK_SYNC_SECONDS": "1", "EARMARK_LEASE_MINUTES": "0.05"}) as console:
        enter_passphrase(console)
        opened(console)
        console.wait("The time of the clips checked out is over", 60)
        console.wait(lambda _: not list((away.home.path / "batches").iterdir()))
        assert not any(text in console.text() for text in TEXTS)
        assert leave(console) == 0
    away.mend()
    assert away.home.run("status").returncode == 0


@pytest.mark.parametrize("seen", [1, 10, 25])
def test_a_checkout_that_is_killed_is_taken_up_where_it_was(away: Away, seen: int) -> None:
    away.team.fill([f"more {n} {HEARD}" for n in range(34)], name="more")
    process = subprocess.Popen(
        earmark("checkout", "40"),
        env=away.home.whole_env,
        cwd=away.home.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(f"{PASSPHRASE}\n".encode())
    process.stdin.close()
    clips = away.home.path / "batches"
    while process.poll() is None:
        with suppress(FileNotFoundError):  # the folder gets its name at this moment
            if len(list(clips.glob("*/clips/*.clip"))) >= seen:
                break
    process.kill()
    process.wait()
    assert not away.home.holding(HEARD, away.home.folder)
    before = {path: path.stat().st_mtime_ns for path in clips.glob("*/clips/*.clip")}
    assert before
    assert "40 clips checked out until" in away.checkout("40")
    after = {path: path.stat().st_mtime_ns for path in clips.glob("*/clips/*.clip")}
    assert len(after) == 40 and before.items() <= after.items(), "nothing is fetched twice"
    assert away.owned() == 40


def test_a_sitting_that_is_killed_loses_nothing(away: Away) -> None:
    away.checkout("6")
    away.cut()
    with away.review() as console:
        opened(console)
        console.wait(TEXTS[0])
        decide(console, "u")
        console.wait(TEXTS[1])
        decide(console, "c")
        console.kill()
    with away.review() as console:
        opened(console)
        console.wait(TEXTS[2])
        decide(console, "s")
        console.kill()
    assert not away.home.holding(HEARD, away.home.folder)
    away.mend()
    # While the batch is here, the store sets no sitting's clips beside it.
    assert "3 lines sent" in said(away.home.run("sync").stdout)
    assert len(list((away.batch() / "clips").glob("*.clip"))) == 4, "critical and skipped are gone"
    assert away.home.run("checkin").returncode == 0
    assert away.results() == [("unintelligible", None), ("critical", None), ("skipped", None)]
    assert away.owned() == 0


def test_a_forgotten_passphrase_costs_the_unfinished_text_and_nothing_else(away: Away) -> None:
    away.checkout("2")
    with away.review() as console:
        opened(console)
        console.wait(TEXTS[0])
        decide(console, "u")
        console.wait(TEXTS[1])
        console.settle(0.3)
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}\x07")
        console.wait("YOUR TEXT")
        assert leave(console) == 0
    with away.home.console("review") as console:
        for asked in (1, 2, 3):
            console.wait(lambda text, asked=asked: text.count("Passphrase of the batch:") == asked, 20)
            console.type("whatever it was\r")
        assert console.wait_exit(20) == 1
        assert "If it is forgotten" in console.text()
    with away.home.console("checkin") as console:
        console.wait("1 text that you left unfinished goes with the clips", 20)
        console.type("n\r")
        assert console.wait_exit(20) != 0
    assert away.owned() == 2
    done = away.home.run("checkin", "--yes")
    assert done.returncode == 0 and "1 text that you left unfinished" in done.stderr
    assert away.results() == [("unintelligible", None)]
    assert away.owned() == 0


def test_where_the_url_leads_to_another_store_by_now_nothing_is_lost(away: Away) -> None:
    away.checkout("2")
    with away.review() as console:
        opened(console)
        console.wait(TEXTS[0])
        decide(console, "u")
        assert leave(console) == 0
    away.store.rename(away.store.with_name("elsewhere"))
    away.team.fill(["another text"], name="another")
    before = {path: path.read_bytes() for path in away.batch().rglob("*") if path.is_file()}
    for command in (("checkin",), ("checkin", "--yes"), ("sync",), ("status",), ("checkout", "2")):
        done = away.home.run(*command)
        assert done.returncode == 1, command
        assert "leads to another store now" in said(done.stderr)
    assert {path: path.read_bytes() for path in away.batch().rglob("*") if path.is_file()} == before
    done = away.home.run("--store", f"sqlite:///{away.store.with_name('elsewhere')}", "checkin")
    assert done.returncode == 0 and said(done.stdout).startswith("1 line sent, 0 not sent"), done.stderr
    assert "2 clips given back" in done.stdout
    shutil.rmtree(away.store)
    away.store.with_name("elsewhere").rename(away.store)
    assert away.results() == [("unintelligible", None)]
    assert away.owned() == 0


def test_what_the_store_sets_aside_is_told_by_a_checkout_and_by_the_status(away: Away) -> None:
    """As after a restore from a dump that is older than the clip."""
    store = open_store(f"sqlite:///{away.store}")
    folder = journal_folder(Settings(home=str(away.home.path), reviewer="ada"), store.id)
    store.close()
    with Journal.open(folder, "ada", app="t") as journal:
        journal.append(
            Decision(id=new_id(), at=told_time(), reviewer="ada", clip="lost", verdict=Verdict.CORRECTED, text=TYPED)
        )
    assert "set_aside" not in json.loads(away.home.run("status", "--json").stdout)
    assert "The store set 1 of your lines aside" in away.checkout("2")
    assert "set aside 1 line by the store" in away.home.run("status").stdout
    told = json.loads(away.home.run("status", "--json").stdout)
    assert (told["unsynced"], told["set_aside"]) == (0, 1)
    assert away.home.run("checkin").returncode == 0


def test_a_withdrawal_reaches_the_batch_at_the_next_contact(away: Away) -> None:
    away.checkout("3")
    (first, *_) = [path.stem for path in (away.batch() / "clips").iterdir()]
    away.team.run("withdraw", first, "--yes")
    assert away.home.run("status").returncode == 0
    assert not (away.batch() / "clips" / f"{first}.clip").exists()
    assert len(list((away.batch() / "clips").iterdir())) == 2


def test_an_ssh_key_in_a_passphrases_place(away: Away) -> None:
    need("ssh-keygen")
    key = away.home.folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    done = away.home.run("checkout", "2", "--key", str(key), stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    away.cut()
    with away.home.console("review") as console:
        opened(console)
        assert "offline until" in console.lines()[0]
        decide(console, "u")
        assert leave(console) == 0
    key.rename(moved := key.with_name("moved"))
    done = away.home.run("checkout", "2")
    with away.home.console("review") as console:
        assert console.wait_exit(20) == 1
        assert "the key cannot be read" in said(console.text())
    with away.home.console("review", "--key", str(moved)) as console:
        opened(console)
        assert leave(console) == 0


def test_nothing_of_it_is_told_to_children_or_the_world(away: Away) -> None:
    """No argument and no environment holds the passphrase, and nothing is written outside the home."""
    away.checkout("2")
    with away.review() as console:
        opened(console)
        for name in ("cmdline", "environ"):
            assert PASSPHRASE.encode() not in Path(f"/proc/{console.process.pid}/{name}").read_bytes()
        assert leave(console) == 0
        assert PASSPHRASE not in console.raw.decode()
    for place in (away.home.own, away.home.temporary, away.home.cwd):
        assert not list(place.rglob("*")), place
    assert not away.home.holding(PASSPHRASE, away.home.folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("0",), "0 is not in the range"),
        (("1001",), "1001 is not in the range"),
        (("1", "--days", "0"), "not in the range"),
    ],
)
def test_what_cannot_be_checked_out(away: Away, arguments: Sequence[str], words: str) -> None:
    assert words in away.checkout(*arguments, code=2)
    assert away.owned() == 0


def test_without_a_passphrase_nothing_is_leased(away: Away) -> None:
    for typed in ("", "short\n"):
        done = away.home.run("checkout", "2", input=typed)
        assert done.returncode == 1 and "nothing was checked out" in done.stderr
    assert away.owned() == 0


def test_the_policy_is_the_stores(away: Away) -> None:
    away.home.env["EARMARK_MOST_DAYS"] = "1"
    said = away.checkout("2", "--days", "30")
    assert "does not lease clips for that long" in said
    status = json.loads(away.home.run("status", "--json").stdout)
    assert status["offline"]["clips"] == 2
    assert status["offline"]["until"] - time.time() < 86401


README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_readmes_way(away: Away) -> None:
    block = re.search(r"<!-- offline -->\n((?:    .*\n)+)", README)
    assert block
    out, there, back = (line.split()[1:] for line in block[1].strip().splitlines())
    assert (out[0], there, back) == ("checkout", ["review"], ["checkin"])
    assert "6 clips checked out until" in away.checkout(*out[1:])
    away.cut()
    with away.review(*there[1:]) as console:
        opened(console)
        console.wait(TEXTS[0])
        decide(console, "u")
        assert leave(console) == 0
    away.mend()
    assert "1 line sent, 0 not sent" in away.home.run(*back).stdout
    assert away.results() == [("unintelligible", None)]
