"""What a reviewer's disk holds after sittings over SSH, gate and PostgreSQL: no sound, and no text in the clear but in
the payloads of an online journal. And that what was decided far from any network arrives, once, and can be read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from system.team.conftest import TEXTS, Team
from terminal.console import Console
from terminal.home import Home, decide, leave, opened

PASSPHRASE = "correct horse battery staple"
HEARD, TYPED = "machine text number", "qvwtypedsecret"


class Scan:
    """Everything that must not lie about: the corpus's sounds in each form that they go through, words, and keys."""

    def __init__(self, team: Team) -> None:
        self._needles = {"sound": [b"fLaC", b"RIFF"]}
        for path in team.corpus.glob("*.wav"):
            frames, _ = soundfile.read(path, dtype="int16")
            # A piece from the middle, however the whole is cut up and whatever stands before it.
            for form in (frames, frames.astype(np.float32) / 32768):
                self._needles["sound"].append(form[1000:1040].tobytes())
        for name, word in (("heard", HEARD), ("typed", TYPED), ("passphrase", PASSPHRASE)):
            self._needles[name] = [word.encode(spelt) for spelt in ("utf-8", "utf-16-le", "utf-32-le")]
        master = team.master_key.read_text().strip()
        self._needles["master key"] = [master.encode(), bytes.fromhex(master)]

    def finds(self, data: bytes) -> set[str]:
        """What of it is in the data."""
        return {what for what, needles in self._needles.items() if any(needle in data for needle in needles)}

    def below(self, *places: Path) -> dict[Path, set[str]]:
        """What is in which file, its name included."""
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        found = {path: self.finds(path.read_bytes() + b"\0" + path.name.encode()) for path in files}
        return {path: what for path, what in found.items() if what}


@pytest.fixture
def scan(team: Team) -> Scan:
    return Scan(team)


def disk(team: Team, home: Home) -> tuple[Path, ...]:
    """All that is the reviewer's: home, data, temporary files, the folder that they work in, and ssh's sockets."""
    return home.folder, team.sshd.runtime


def correct(console: Console, number: int) -> None:
    console.wait(TEXTS[number], 20)
    console.wait(lambda text: "fetching" not in text)
    console.press("e")
    console.wait("EDITING")
    console.type(f" {TYPED}")
    console.wait(TYPED)
    decide(console, "enter")


def bare(line: dict[str, Any]) -> bytes:
    """A journal's line without its payload."""
    return json.dumps({**line, "payload": None}).encode()


def test_the_scan_finds_what_it_should(team: Team, ada: Home, scan: Scan) -> None:
    """In what was loaded, in the sound that the store gives, and wherever it would lie at the reviewer's."""
    assert {what for found in scan.below(team.corpus).values() for what in found} == {"sound", "heard"}
    frames, rate = soundfile.read(team.corpus / "0.wav", dtype="int16")
    assert scan.below(*disk(team, ada)) == {}
    for number, (place, data, what) in enumerate(
        (
            (ada.temporary, frames.tobytes(), "sound"),
            (ada.own, b"\0" + (frames.astype(np.float32) / 32768).tobytes(), "sound"),
            (team.sshd.runtime, TEXTS[0].encode(), "heard"),
            (ada.path, TYPED.encode("utf-16-le"), "typed"),
            (ada.cwd, team.master_key.read_bytes(), "master key"),
        )
    ):
        planted = place / "deep" / str(number)
        planted.parent.mkdir(exist_ok=True)
        planted.write_bytes(data)
        assert scan.below(*disk(team, ada)) == {planted: {what}}
        planted.unlink()
    soundfile.write(ada.temporary / "clip", frames, rate, format="FLAC")
    assert scan.below(*disk(team, ada)) == {ada.temporary / "clip": {"sound"}}
    # In the store it is sealed.
    assert scan.below(team.audio) == {}


def test_an_online_sitting_leaves_the_payloads_of_its_journal(team: Team, ada: Home, scan: Scan) -> None:
    with ada.console("review") as console:
        opened(console)
        correct(console, 0)
        console.wait(TEXTS[1])
        decide(console, "u")
        console.wait(TEXTS[2])
        during = scan.below(*disk(team, ada))
        # Typed, and left as a draft.
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}")
        console.press("ctrl+c")
        assert console.wait_exit(20) == 0
    (segment,) = ada.journal().glob("[0-9]*.jsonl")
    for found in (during, scan.below(*disk(team, ada))):
        assert found == {segment: {"heard", "typed"}}
    assert not any(scan.finds(bare(line)) for line in ada.lines())
    assert [bool(line["payload"] and line["payload"].get("text")) for line in ada.lines()] == [True, False, True]
    assert [line["text"] for line in team.exported()] == [f"{TEXTS[0]} {TYPED}"]


def test_an_offline_sitting_leaves_nothing_and_arrives_once(team: Team, ada: Home, scan: Scan) -> None:
    """Checked out over SSH, reviewed while the host is gone, checked in: sealed on the way, read by a supervisor."""
    done = ada.run("checkout", "4", "--days", "2", input=f"{PASSPHRASE}\n")
    assert done.returncode == 0, done.stderr
    assert team.sql("SELECT count(*) FROM earmark.work WHERE owner = 'ada'") == [(4,)]
    assert scan.below(*disk(team, ada)) == {}

    team.sshd.halt()
    with ada.console("review") as console:
        console.wait("Passphrase of the batch:", 20)
        console.type(f"{PASSPHRASE}\r")
        opened(console)
        correct(console, 0)
        correct(console, 1)
        console.wait(TEXTS[2])
        decide(console, "c")
        console.wait(TEXTS[3])
        assert scan.below(*disk(team, ada)) == {}, "while the screen is open"
        assert leave(console) == 0
    assert scan.below(*disk(team, ada)) == {}
    for command in ("checkin", "sync"):
        assert ada.run(command).returncode == 1
    assert team.results() == []

    # The host is back, but not its database: nothing is given up before the store has it.
    team.sshd.start()
    team.database.kill()
    assert ada.run("checkin").returncode == 1
    assert list((ada.path / "batches").iterdir())
    team.database.start()
    for _ in range(2):
        done = ada.run("checkin")
        assert done.returncode == 0, done.stderr
    assert not list((ada.path / "batches").iterdir())
    assert team.results() == [("ada", "corrected"), ("ada", "corrected"), ("ada", "critical")]
    assert [line["text"] for line in team.exported()] == [f"{TEXTS[0]} {TYPED}", f"{TEXTS[1]} {TYPED}"]
    assert len(team.exported("--verdict", "critical")) == 1
    assert team.sql("SELECT count(*) FROM earmark.work WHERE owner IS NOT NULL") == [(0,)]
    assert scan.below(*disk(team, ada)) == {}
    assert ada.run("journal", "verify").returncode == 0
    # And a sitting online goes on where it ended.
    with ada.console("review") as console:
        opened(console)
        console.wait(TEXTS[3])
        assert leave(console) == 0
