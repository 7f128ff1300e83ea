"""All the real clips through the real screen, with every verdict and every key.

Then journal, store and export are compared line by line with what was done.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from earmark.keymaps.keymap import load
from earmark.queue.text import clean
from terminal.console import Console
from terminal.desk import CLIPS, REVIEWER, Desk, Loaded, decide, leave, number, ready, squeezed, wait_for

ALL = frozenset({"accepted", "corrected", "critical", "unintelligible", "skipped", "escalated", "retracted"})
TYPED = "xyzzy"
ADDED = " and more"
SECRET = "plugh-secret"
FIRST_SITTING = 30
"""Clips decided before the program is left and opened again."""


class Line(NamedTuple):
    """A decision as it must be found: `kept` is False where its text must have been erased."""

    clip: str
    verdict: str
    text: str | None = None
    kept: bool = True


class Hand:
    """Presses keys of the default keymap and remembers which."""

    def __init__(self, console: Console, pressed: set[tuple[str, str]], lines: list[Line]) -> None:
        self.console = console
        self.pressed = pressed
        self.lines = lines

    def press(self, context: str, key: str, until: str | Callable[[str], bool]) -> None:
        """Press a key and wait for its effect on the screen."""
        self.console.press(key)
        self.console.wait(until, 15)
        self.pressed.add((context, key))

    def decide(self, context: str, key: str, line: Line) -> None:
        """Press a key that saves a line."""
        decide(self.console, key)
        self.pressed.add((context, key))
        self.lines.append(line)

    @property
    def position(self) -> float:
        """Where the playhead of a paused clip stands, in seconds."""
        found = re.search(r"(\d+):(\d\d)\.(\d) / ", self.console.text())
        assert found, self.console.text()
        return int(found[1]) * 60 + int(found[2]) + int(found[3]) / 10

    def moves(self, context: str, key: str, by: float) -> None:
        """Press a key that moves a paused playhead."""
        wanted = round(self.position + by, 1)
        self.press(context, key, lambda text: abs(self.position - wanted) < 0.15)

    def edit(self, clip: Loaded, typed: str) -> str:
        """Open the text field and type at its end; what the text is then, as it would be saved."""
        self.press("review", "e", "EDITING")
        self.console.type(typed)
        self.console.wait(lambda text: squeezed(clip.text + typed) in squeezed(text))
        return clean(clip.text + typed).strip()


# -- every key, on the first clip ------------------------------------------------------------------------------------


def listen(hand: Hand) -> None:
    """The keys of sound, in both contexts."""
    hand.console.wait("▶ playing", 20)
    hand.press("review", "space", "‖ paused")
    for context, forward, back in (("review", "right", "left"), ("edit", "f3", "f2")):
        if context == "edit":
            hand.press("review", "e", "EDITING")
        hand.moves(context, forward, 1.0)
        hand.moves(context, forward, 1.0)
        hand.moves(context, back, -1.0)
    hand.press("edit", "f8", " 0.75×")
    hand.press("edit", "f9", " 1×")
    hand.press("edit", "f4", "▶ playing")
    hand.press("edit", "f4", "‖ paused")
    before = hand.position
    assert before >= 1.0
    hand.press("edit", "tab", "▶ playing")
    # The last two seconds up to here, and no further.
    hand.console.wait(lambda text: "‖ paused" in text and abs(hand.position - before) < 0.15)
    for context, key in (("edit", "f5"), ("review", "r")):
        if context == "review":
            hand.press("edit", "escape", "MACHINE HEARD")
        ahead = hand.position
        hand.press(context, key, "▶ playing")
        hand.console.press("f4" if context == "edit" else "space")
        hand.console.wait("‖ paused")
        assert hand.position < ahead + 0.15, "it did not begin at the start"
        while hand.position < 3.0:
            hand.moves(context, "f3" if context == "edit" else "right", 1.0)
    for key, speed in ((",", "0.75"), ("[", "0.5"), (".", "0.75"), ("]", "1")):
        hand.press("review", key, f"   {speed}×")
    hand.press("review", "l", lambda text: "↻ loop" in text and "▶ playing" in text)
    hand.press("review", "l", lambda text: "↻ loop" not in text)
    hand.press("review", "space", "‖ paused")
    hand.press("review", "L", "This store asks for no sign-in.")


def write(hand: Hand, clip: Loaded) -> None:
    """The keys of the text field."""
    console = hand.console

    def typed_there(text: str) -> bool:
        return squeezed(clip.text + TYPED) in squeezed(text)

    def untouched(text: str) -> bool:
        return squeezed(clip.text) in squeezed(text) and squeezed(clip.text + TYPED[0]) not in squeezed(text)

    hand.edit(clip, TYPED)
    # How many letters one undo takes back depends on how fast they came.
    for _ in TYPED:
        console.press("ctrl+z")
        console.settle(0.1)
        if untouched(console.text()):
            break
    console.wait(untouched)
    hand.pressed.add(("edit", "ctrl+z"))
    for _ in TYPED:
        console.press("ctrl+y")
        console.settle(0.1)
        if typed_there(console.text()):
            break
    console.wait(typed_there)
    hand.pressed.add(("edit", "ctrl+y"))
    hand.press("edit", "ctrl+g", lambda text: "YOUR TEXT" in text and typed_there(text))
    hand.press("review", "e", lambda text: "EDITING" in text and typed_there(text))
    console.press(*["backspace"] * len(TYPED))
    console.wait(untouched)
    hand.press("edit", "escape", "MACHINE HEARD")


def panels(hand: Hand) -> None:
    """Help, history, and the way back that there is not."""
    hand.press("review", "?", "KEYS  keymap default")
    hand.press("review", "?", lambda text: "KEYS" not in text)
    hand.press("review", "H", "Nothing decided in this sitting yet.")
    hand.press("review", "H", lambda text: "Nothing decided" not in text)
    hand.console.press("p")
    hand.console.wait("This is the first clip of the sitting.")
    hand.console.press("backspace")
    hand.console.wait("There is nothing to take back.")


# -- a verdict a clip ------------------------------------------------------------------------------------------------


def accept(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    hand.decide("review", "enter", Line(clip.id, "accepted", clip.text))


def correct(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    text = hand.edit(clip, ADDED)
    hand.decide("edit", "enter", Line(clip.id, "corrected", text))


def critical(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    hand.decide("review", "c", Line(clip.id, "critical"))


def unintelligible(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    hand.decide("review", "u", Line(clip.id, "unintelligible"))


def skip(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    hand.decide("review", "s", Line(clip.id, "skipped"))


def disturbing(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    hand.decide("review", "d", Line(clip.id, "escalated"))
    if number(hand.console, "to go"):
        hand.console.wait("waits for a key")
        hand.console.press("space")
        hand.console.wait(lambda text: "waits for a key" not in text)


def critical_while_typing(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    hand.edit(clip, " " + SECRET)
    hand.decide("anywhere", "ctrl+t", Line(clip.id, "critical"))
    hand.console.wait(lambda text: SECRET not in text, 2)


def save_unchanged(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    hand.edit(clip, "")
    hand.decide("edit", "enter", Line(clip.id, "accepted", clip.text))


def critical_after_all(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    text = hand.edit(clip, " " + SECRET)
    hand.decide("edit", "enter", Line(clip.id, "corrected", text, kept=False))
    hand.decide("review", "backspace", Line(clip.id, "retracted"))
    hand.console.wait("YOUR TEXT")
    hand.decide("review", "c", Line(clip.id, "critical"))


def accept_typed(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    text = hand.edit(clip, ADDED)
    hand.press("edit", "escape", "YOUR TEXT")
    hand.decide("review", "enter", Line(clip.id, "corrected", text))


def take_back(hand: Hand, clip: Loaded, _: Loaded | None) -> None:
    accept(hand, clip, None)
    hand.decide("review", "backspace", Line(clip.id, "retracted"))
    wait_for(hand.console, clip)
    accept(hand, clip, None)


def revise_the_one_before(hand: Hand, clip: Loaded, before: Loaded | None) -> None:
    assert before is not None
    hand.press("review", "p", lambda text: "DECIDED accepted" in text and squeezed(before.text) in squeezed(text))
    text = hand.edit(before, ADDED)
    hand.decide("edit", "enter", Line(before.id, "corrected", text))
    wait_for(hand.console, clip)
    accept(hand, clip, None)


WAYS = (
    accept,
    correct,
    critical,
    unintelligible,
    skip,
    disturbing,
    critical_while_typing,
    save_unchanged,
    critical_after_all,
    accept_typed,
    take_back,
    revise_the_one_before,
)


class Reviewed(NamedTuple):
    """What is left when all is decided."""

    desk: Desk
    clips: dict[str, Loaded]
    lines: list[Line]
    pressed: set[tuple[str, str]]
    journal: list[dict[str, Any]]


@pytest.fixture(scope="module")
def reviewed(loaded: Path, tmp_path_factory: pytest.TempPathFactory, soundlab: Any) -> Iterator[Reviewed]:
    """Every clip decided, in two sittings, with sound going out and nothing held back for not having been heard."""
    folder = tmp_path_factory.mktemp("all")
    shutil.copytree(loaded / "home", folder / "home")
    server = soundlab.Pulse(folder)
    server.start()
    desk = Desk(folder, EARMARK_MUST_HEAR="0", EARMARK_SYNC_SECONDS="1", **server.environment)
    clips = desk.clips()
    lines: list[Line] = []
    pressed: set[tuple[str, str]] = set()
    try:
        with desk.review("--sound", "auto") as console:
            hand = Hand(console, pressed, lines)
            ready(console, clips[0])
            listen(hand)
            write(hand, clips[0])
            panels(hand)
            each(hand, clips, range(FIRST_SITTING))
            leave(console, "q")
            pressed.add(("review", "q"))
        with desk.review("--sound", "auto") as console:
            hand = Hand(console, pressed, lines)
            each(hand, clips, range(FIRST_SITTING, CLIPS))
            console.wait("NOTHING IS LEFT HERE")
            assert "0 not sent yet" in leave(console, "ctrl+c")
            pressed.add(("anywhere", "ctrl+c"))
        yield Reviewed(desk, {clip.id: clip for clip in clips}, lines, pressed, desk.journal())
    finally:
        server.stop()


def each(hand: Hand, clips: list[Loaded], indices: range) -> None:
    """Decide some of the clips, each in the next way."""
    for i in indices:
        ready(hand.console, clips[i])
        WAYS[i % len(WAYS)](hand, clips[i], clips[i - 1] if i else None)


def test_every_key_of_the_default_keymap_did_its_work(reviewed: Reviewed) -> None:
    bound = {(str(context), key) for context, keys in load("default").bindings.items() for key in keys}
    assert reviewed.pressed == bound


def test_every_clip_and_every_verdict_was_decided(reviewed: Reviewed) -> None:
    assert {line.clip for line in reviewed.lines} == set(reviewed.clips)
    assert {line.verdict for line in reviewed.lines} == ALL


def test_the_journal_holds_these_decisions_in_this_order(reviewed: Reviewed) -> None:
    told = [line for line in reviewed.journal if line["kind"] == "decision"]
    texts = [line["payload"] and line["payload"]["text"] for line in told]
    found = [(line["clip"], line["verdict"], text) for line, text in zip(told, texts, strict=True)]
    assert found == [(line.clip, line.verdict, line.text if line.kept else None) for line in reviewed.lines]
    assert [line["seq"] for line in reviewed.journal] == list(range(1, len(reviewed.journal) + 1))
    assert {line["reviewer"] for line in reviewed.journal} == {REVIEWER}
    erased = [line["clip"] for line in reviewed.journal if line["kind"] == "erasure"]
    assert erased == [line.clip for line in reviewed.lines if not line.kept]
    assert not [line for line in reviewed.journal if line["kind"] == "draft"]


def test_revisions_count_from_one_on_each_clip(reviewed: Reviewed) -> None:
    count: dict[str, int] = {}
    for line in reviewed.journal:
        if line["kind"] == "decision":
            count[line["clip"]] = count.get(line["clip"], 0) + 1
            assert line["revision"] == count[line["clip"]]
    assert max(count.values()) == 4


def test_the_store_has_the_latest_decision_on_each_clip(reviewed: Reviewed) -> None:
    found = {result.clip: result for result in reviewed.desk.results(verdicts=ALL)}
    latest = {line.clip: line for line in reviewed.lines}
    assert {(r.clip, r.verdict, r.text) for r in found.values()} == {
        (line.clip, line.verdict, line.text) for line in latest.values()
    }
    for line in reviewed.journal:
        if line["kind"] != "decision" or line["revision"] != found[line["clip"]].revision:
            continue
        result = found[line["clip"]]
        for name in ("at", "heard", "plays", "seconds", "reviewer"):
            assert getattr(result, name) == line[name], (line["seq"], name)
    for clip, result in found.items():
        assert result.machine == (None if latest[clip].verdict == "critical" else reviewed.clips[clip].text)


def exported(reviewed: Reviewed, name: str, *arguments: str) -> Path:
    file = reviewed.desk.folder / name
    reviewed.desk.run("export", str(file), *arguments)
    return file


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


EVERY_VERDICT = [word for verdict in sorted(ALL - {"retracted"}) for word in ("--verdict", verdict)]


def test_the_export_of_all_verdicts_is_what_was_decided(reviewed: Reviewed) -> None:
    latest = {line.clip: line for line in reviewed.lines}
    found = rows(exported(reviewed, "all.jsonl", *EVERY_VERDICT))
    assert len(found) == CLIPS
    for row in found:
        line = latest[row["clip"]]
        assert (row["verdict"], row.get("text")) == (line.verdict, line.text), row["clip"]
        machine = None if line.verdict == "critical" else reviewed.clips[line.clip].text
        assert row.get("pred_text") == machine, row["clip"]
        assert row["duration"] == pytest.approx(reviewed.clips[line.clip].duration, abs=1e-5)


def test_the_plain_export_has_accepted_and_corrected_clips_only(reviewed: Reviewed) -> None:
    latest = {line.clip: line for line in reviewed.lines}
    found = {(row["clip"], row["verdict"], row["text"]) for row in rows(exported(reviewed, "plain.jsonl"))}
    assert found == {
        (line.clip, line.verdict, line.text) for line in latest.values() if line.verdict in ("accepted", "corrected")
    }


def test_the_export_of_all_decisions_has_every_revision_that_has_a_payload(reviewed: Reviewed) -> None:
    found = [
        (row["clip"], row["verdict"], row.get("text")) for row in rows(exported(reviewed, "e.jsonl", "--all-decisions"))
    ]
    wanted = [
        (line["clip"], line["verdict"], line["payload"]["text"])
        for line in reviewed.journal
        if line["kind"] == "decision" and line["payload"] is not None
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    revised = [clip for clip, verdict, _ in found if verdict in ("accepted", "corrected")]
    assert len(revised) > len(set(revised)), "no clip stands there twice"


def test_the_table_says_the_same_as_the_manifest(reviewed: Reviewed) -> None:
    with exported(reviewed, "all.csv", *EVERY_VERDICT).open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    manifest = rows(exported(reviewed, "all.jsonl", *EVERY_VERDICT))
    assert [row["clip"] for row in table] == [row["clip"] for row in manifest]
    for cells, row in zip(table, manifest, strict=True):
        for name, value in cells.items():
            assert value == str(row.get(name, "")), (row["clip"], name)


def test_critical_texts_are_nowhere(reviewed: Reviewed) -> None:
    assert reviewed.desk.files_with(SECRET) == []
    critical = {line.clip for line in reviewed.lines if line.verdict == "critical"}
    assert len(critical) > 10
    others = " ".join(clip.text for clip in reviewed.clips.values() if clip.id not in critical)
    texts = [reviewed.clips[clip].text for clip in critical]
    telling = [text for text in texts if text and text not in others]
    assert len(telling) > 5
    for name in ("x.jsonl", "x.csv"):
        for arguments in (EVERY_VERDICT, ["--all-decisions"]):
            content = exported(reviewed, name, *arguments).read_text(encoding="utf-8")
            assert not [text for text in telling if text in content]
    journals = b"".join(file.read_bytes() for file in reviewed.desk.home.glob("journals/**/*") if file.is_file())
    assert not [text for text in telling if text.encode() in journals]


def test_the_status_counts_what_was_done(reviewed: Reviewed) -> None:
    told = json.loads(reviewed.desk.run("status", "--json").stdout)
    assert told == {"at_hand": 0, "decided": CLIPS, "unsynced": 0, "store": CLIPS}
