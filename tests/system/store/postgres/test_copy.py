"""A store on one machine that becomes a team's: all of it, once, however often the copy is stopped."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from contract.store.tools import CRITICAL_HOLD, LEASE_SECONDS, Device, make_incoming
from earmark.queue.decision import Verdict
from earmark.queue.store import copy as copying
from earmark.queue.store import postgres_schema
from earmark.queue.store.interface import Judged, StoreError
from earmark.queue.store.master import make_master, read_master
from earmark.queue.store.postgres import PostgresStore
from earmark.queue.store.sqlite import SqliteStore

CLIPS = 30


class Stopped(BaseException):
    """The program dies here."""


@pytest.fixture
def source(tmp_path):
    store = SqliteStore(tmp_path / "clips", lease_seconds=LEASE_SECONDS, critical_hold=CRITICAL_HOLD)
    yield store
    store.close()


@pytest.fixture
def filled(source):
    """All kinds of content: returns the clips and the devices by reviewer."""
    list(source.add(make_incoming(n, lang="de" if n % 2 else None) for n in range(CLIPS)))
    clips = [one.clip.id for one in source.lease("anna", 12)]
    anna, ben, odd = Device("anna-device", "anna"), Device("ben-device", "ben"), Device("odd-device", "anna")
    for place, clip in enumerate(clips[:6]):
        anna.decide(clip, Verdict.CORRECTED, f"text ü {place} \\ \t", note="a note" if place else None)
    anna.decide(clips[0], Verdict.ACCEPTED, "later", revision=2)
    anna.decide(clips[6], Verdict.SKIPPED)
    anna.decide(clips[7], Verdict.ESCALATED)
    anna.decide(clips[8], Verdict.UNINTELLIGIBLE)
    anna.decide(clips[9], Verdict.CRITICAL, pressed=1.5)
    anna.push(source)
    bens = [one.clip.id for one in source.lease("ben", 3)]
    ben.decide(bens[0], Verdict.ACCEPTED, "of ben")
    ben.decide(bens[1], Verdict.CRITICAL)
    ben.push(source)
    odd.decide("nowhere", Verdict.SKIPPED)
    odd.decide(clips[10], Verdict.ACCEPTED, "odd")
    assert len(odd.push(source).quarantined) == 1
    source.withdraw([clips[1]])
    source.withdraw_subject("person 20")
    source.withdraw_subject("nobody yet")
    return clips, {"anna": anna, "ben": ben, "odd": odd}


class Goal:
    """An empty database, and the way to copy into it."""

    def __init__(self, server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.name = f"copied_{os.urandom(4).hex()}"
        self.url = server.url(self.name)
        self.audio = f"file://{folder}/audio"
        self.key = folder / "master.key"
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.name}".encode())

    def copy(self, **given):
        master = (lambda: read_master(str(self.key))) if self.key.exists() else (lambda: make_master(self.key))
        return copying.copy(self.folder / "clips", self.url, audio=self.audio, master=master, **given)

    def open(self, reviewer: str, *, supervisor: bool = False) -> PostgresStore:
        role = f"{reviewer}_of_{self.name}"
        postgres_schema.add_person(self.url, reviewer, role, supervisor=supervisor)
        return PostgresStore(self.server.url(self.name, role), lease_seconds=LEASE_SECONDS, master_key=str(self.key))

    def objects(self) -> int:
        return sum(path.is_file() and len(path.name) == 32 for path in (self.folder / "audio").glob("??/*"))


@pytest.fixture
def goal(server, tmp_path):
    return Goal(server, tmp_path)


def compare(source, goal, filled) -> None:
    """The target answers as the source does, and the journals go on."""
    clips, devices = filled
    boss = goal.open("boss", supervisor=True)
    stores = {name: goal.open(name) for name in ("anna", "ben")}
    try:
        assert boss.id == source.id
        for given in ({}, {"every_revision": True}, {"verdicts": frozenset(Verdict), "source": True}):
            assert list(boss.results(**given)) == list(source.results(**given))
        assert boss.withdrawn() == source.withdrawn()
        for name, store in stores.items():
            assert store.counts(name) == source.counts(name)
        held = [one.clip.id for one in source.lease("anna", 1)]
        for device in devices.values():
            store = stores[device.reviewer]
            assert store.head(device.name) == source.head(device.name)
            assert store.quarantined(device.name) == source.quarantined(device.name)
            before = list(boss.results(every_revision=True))
            pushed = device.push(store)
            assert (pushed.head, pushed.fork) == (source.head(device.name), False)
            assert list(boss.results(every_revision=True)) == before
        # Leases and sound.
        assert [one.clip.id for one in stores["anna"].lease("anna", 1)] == held
        assert stores["anna"].audio("anna", held[0]) == source.audio("anna", held[0])
        with pytest.raises(StoreError, match="withdrawn"):
            stores["anna"].audio("anna", clips[1])
        # A journal that went on meanwhile.
        anna = devices["anna"]
        anna.decide(held[0], Verdict.CORRECTED, "after the move")
        assert anna.push(stores["anna"], len(anna.lines) - 1).head.seq == len(anna.lines)
        # Sounds and people are known again.
        again = [make_incoming(n, lang="de" if n % 2 else None) for n in range(CLIPS)]
        withdrawn = source.counts("anna").withdrawn
        assert sorted(boss.add(again)) == sorted(source.add(again))
        assert list(boss.add(again)).count("withdrawn") == withdrawn
        assert list(boss.add([make_incoming(99, subject="nobody yet")])) == ["withdrawn"]
        assert list(boss.add([make_incoming(98)])) == ["added"]
        assert boss.withdraw_subject("person 25") == 1
        # A critical mark can be taken back, for its key came along; it goes when its time has come.
        assert boss.purge(time.time() + CRITICAL_HOLD + 60) == 2
        assert [found.good for found in _checked(goal)] == [True] * len(list(_checked(goal)))
    finally:
        for store in (boss, *stores.values()):
            store.close()


def _checked(goal):
    from earmark.queue.store.postgres_check import check

    return list(check(goal.url, str(goal.key)))


def test_all_of_it(source, filled, goal):
    told = []
    copied = goal.copy(on_progress=lambda *done: told.append(done))
    assert copied.tables["clip"].rows == CLIPS
    assert copied.sounds == CLIPS - 2
    assert told[-1] == (CLIPS - 2, CLIPS - 2)
    assert goal.objects() == CLIPS - 2
    assert goal.copy().before
    compare(source, goal, filled)


def test_how_many_opinions_are_wanted_goes_along(source, filled, goal):
    """With clips that have one opinion of two, some of which their deciders may still hear."""
    assert source.want_opinions(2).reopened > 5
    goal.copy()
    boss = goal.open("boss", supervisor=True)
    assert boss.opinions() == 2
    assert boss.want_opinions(2) == Judged(0, 0)
    boss.close()
    compare(source, goal, filled)


def test_an_empty_store(source, goal):
    assert goal.copy().sounds == 0
    boss = goal.open("boss", supervisor=True)
    assert list(boss.add([make_incoming(0)])) == ["added"]
    boss.close()


@pytest.mark.parametrize(
    "place",
    [
        "postgres_copy.Target.note_done", "copy._put", "postgres_copy.Filling.fill", "postgres_copy.Filling.rows",
        "postgres_copy.Target.finish",
    ],
)  # fmt: skip
@pytest.mark.parametrize("time", [1, 3])
def test_stopped_anywhere_it_goes_on(source, filled, goal, monkeypatch, place, time):
    import importlib

    module, _, name = place.partition(".")
    owner = importlib.import_module(f"earmark.queue.store.{module}")
    for part in name.split(".")[:-1]:
        owner = getattr(owner, part)
    name = name.rpartition(".")[2]
    real = getattr(owner, name)
    calls = []

    def stops(*given, **named):
        calls.append(given)
        if len(calls) == time:
            raise Stopped
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(copying, "_BATCH", 7)
        patch.setattr(owner, name, stops)
        if time == 1 or name != "finish":
            with pytest.raises(Stopped):
                goal.copy()
    # Until it is whole nobody is let in.
    if name != "finish":
        with pytest.raises(StoreError, match="not whole yet"):
            goal.open("early")
    goal.copy()
    compare(source, goal, filled)


def test_what_happens_in_the_source_between_two_runs(source, filled, goal, monkeypatch):
    """Texts and sounds that have gone there meanwhile do not lie in the target."""
    clips, devices = filled
    with monkeypatch.context() as patch:
        patch.setattr("earmark.queue.store.postgres_copy.Target.filling", lambda *_: (_ for _ in ()).throw(Stopped()))
        with pytest.raises(Stopped):
            goal.copy()
    source.withdraw([clips[3]])
    devices["anna"].decide(clips[4], Verdict.CRITICAL)
    devices["anna"].push(source)
    list(source.add([make_incoming(500)]))
    source.purge(time.time() + CRITICAL_HOLD + 60)
    copied = goal.copy()
    assert copied.tables["clip"].rows == CLIPS + 1
    assert goal.objects() == copied.sounds
    boss = goal.open("boss", supervisor=True)
    assert list(boss.results(frozenset(Verdict))) == list(source.results(frozenset(Verdict)))
    boss.close()
    held = goal.server.dump(goal.name)
    assert "text ü 3".encode() not in held
    assert "text ü 4".encode() not in held


def test_killed_again_and_again(source, filled, goal, tmp_path):
    """kill -9 each time that some more sound has come."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK", "PG"))}
    environment |= {"EARMARK_HOME": str(tmp_path / "home"), "EARMARK_MASTER_KEY": str(goal.key)}
    command = [
        sys.executable, "-c",
        "import earmark.queue.store.copy as c; c._BATCH = 3\nfrom earmark.tui.commands import main; main()",
        "store", "copy", f"sqlite:///{tmp_path}/clips", goal.url, "--audio", goal.audio,
    ]  # fmt: skip
    for some in (2, 9, 17, 26):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while goal.objects() < some and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    compare(source, goal, filled)


@pytest.mark.parametrize("table", ["clip", "line", "tombstone"])
def test_a_target_that_keeps_something_else_is_refused(source, filled, goal, table, monkeypatch):
    from earmark.queue.store.postgres_copy import Filling

    real = Filling.rows
    with monkeypatch.context() as patch:
        patch.setattr(Filling, "rows", lambda self, name: list(real(self, name))[(name == table) :])
        with pytest.raises(StoreError, match=f"the table {table} came out"):
            goal.copy()
    with pytest.raises(StoreError, match="not whole yet"):
        goal.open("early")


def test_what_cannot_be_copied_is_told(source, filled, goal, tmp_path, server):
    path = tmp_path / "clips" / "audio"
    (clip,) = [one.clip.id for one in source.lease("ben", 1)]
    sound = path / clip[:2] / clip
    kept = sound.read_bytes()
    sound.write_bytes(kept[:-1])
    with pytest.raises(StoreError, match=f"the sound of clip {clip} is missing or damaged"):
        goal.copy()
    sound.write_bytes(kept)
    with pytest.raises(StoreError, match="no store is here"):
        copying.copy(tmp_path / "nowhere", goal.url, audio=goal.audio, master=lambda: b"")
    other = Goal(server, tmp_path / "other")
    (tmp_path / "other").mkdir()
    postgres_schema.init(other.url, audio=other.audio, master=lambda: make_master(other.key))
    with pytest.raises(StoreError, match="another store is here"):
        copying.copy(tmp_path / "clips", other.url, audio=None, master=lambda: read_master(str(other.key)))


def test_the_readmes_commands(source, filled, goal, tmp_path):
    readme = (Path(__file__).resolve().parents[4] / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^    earmark (store copy .*)$", readme, re.MULTILINE)
    words = shlex.split(
        command.replace("sqlite:////srv/clips", f"sqlite:///{tmp_path}/clips")
        .replace("file:///srv/earmark/audio", goal.audio)
        .replace("postgresql:///earmark", shlex.quote(goal.url))
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK", "PG"))}
    environment |= {"EARMARK_HOME": str(tmp_path / "home"), "EARMARK_MASTER_KEY": str(goal.key)}
    run = [sys.executable, "-m", "earmark.tui", *words]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{CLIPS} clips, {CLIPS - 2} of them with sound, are in the target" in done.stdout
    again = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert again.stdout == "Nothing to do: the whole store has been copied there before.\n"
