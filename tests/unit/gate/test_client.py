"""The store at the other end: cut lines, sign-ins, long sounds, several threads, and hosts that lie."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from counted import LONG, SEED, Counted
from earmark.queue.clip import Clip, Hypothesis
from earmark.queue.decision import Verdict
from earmark.queue.store.gate import messages
from earmark.queue.store.gate.channel import PATIENCE, Conversation
from earmark.queue.store.gate.client import GateStore
from earmark.queue.store.gate.frames import MAGIC, packed
from earmark.queue.store.gate.messages import PART, Hello, Sound, Welcome
from earmark.queue.store.interface import (
    Head,
    Leased,
    Pushed,
    Quarantined,
    Refused,
    RemoteReviewStore,
    SignInAgain,
    StoreError,
    StoreUnreachable,
)
from earmark.queue.store.sqlite import SqliteStore
from gates import SocketChannel, Threaded, Unclosed


def test_the_host_says_who_and_which(gate: GateStore, behind: SqliteStore) -> None:
    assert (gate.id, gate.reviewer) == (behind.id, "anna")
    assert isinstance(gate, RemoteReviewStore)
    assert not isinstance(behind, RemoteReviewStore)


def test_nothing_goes_through_in_another_name(gate: GateStore) -> None:
    asked: list[Callable[[], Any]] = [
        lambda: gate.lease("ben", 1),
        lambda: gate.push("d", "ben", []),
        lambda: gate.reopen("ben", []),
        lambda: gate.renew("ben", []),
        lambda: gate.release("ben", []),
        lambda: gate.audio("ben", "c"),
        lambda: gate.counts("ben"),
    ]
    for ask in asked:
        with pytest.raises(Refused, match="anna's alone"):
            ask()


def test_who_is_not_welcome_hears_why(way: Threaded) -> None:
    with pytest.raises(StoreError, match="for anna alone"):
        GateStore(way, reviewer="ben")


def test_what_names_more_than_a_request_holds_goes_in_several(
    gate: GateStore, behind: SqliteStore, fill: Callable[..., None], device: Callable[[str], Any]
) -> None:
    fill(1100)
    clips = [one.clip.id for one in behind.lease("anna", 1100)]
    assert len(gate.renew("anna", clips)) == 1100
    anna = device("anna")
    for clip in clips:
        anna.decide(clip, Verdict.ACCEPTED)
    assert gate.push(anna.name, "anna", anna.lines).head.seq == 1100
    gate.release("anna", clips)
    assert len(gate.reopen("anna", clips)) == 1100
    assert gate.push(anna.name, "anna", anna.lines).head.seq == 1100


def test_a_long_sound_comes_in_parts_and_a_push_goes_between(
    way: Threaded, behind: SqliteStore, incoming: Callable[..., Any]
) -> None:
    sounds = [os.urandom(3 * PART + 5), os.urandom(PART), os.urandom(PART + 1)]
    list(behind.add(incoming(n, audio=sound) for n, sound in enumerate(sounds)))
    gate = GateStore(way)
    leased = gate.lease("anna", 3)
    order: list[str] = []
    inner = gate._conversation().ask

    def noted(body: bytes) -> bytes:
        order.append(type(messages.request_in(body)).__name__)
        if order == ["Audio"]:
            pushing.start()
            while len(gate._turns._waiting) == 0:  # until the push stands in line
                pass
        return inner(body)

    gate._talk.ask = noted  # type: ignore[union-attr, method-assign]
    pushing = threading.Thread(target=gate.push, args=("d", "anna", []))
    assert gate.audio("anna", leased[0].clip.id) == sounds[0]
    pushing.join()
    assert order == ["Audio", "Push", "Audio", "Audio", "Audio"]
    assert [gate.audio("anna", one.clip.id) for one in leased[1:]] == sounds[1:]
    gate.close()


def frames_of_a_push(way: Threaded, anna: Any, clips: list[str]) -> tuple[list[int], list[int]]:
    """After how many bytes each frame ends, to the gate and from it, where six decisions are sent."""
    sent, got = [0], [0, len(MAGIC)]
    gate = GateStore(way)
    gate.close()
    way.join()
    for clip in clips:
        anna.decide(clip, Verdict.CORRECTED, "text 0")
    for request in (gate._hello, messages.Head(anna.name), messages.Push(anna.name, anna.lines)):
        sent.append(sent[-1] + len(packed(messages.encode(request))))
    answers = (Welcome(1, gate.id, "anna"), Head(), Pushed(Head(6, anna.chain)))
    for answer in answers:
        got.append(got[-1] + len(packed(messages.ANSWER + messages.encode(answer))))
    return sent, got


def test_a_cut_anywhere_loses_and_doubles_nothing(
    way: Threaded, behind: SqliteStore, fill: Callable[..., None], device: Callable[[str], Any], counted: Counted
) -> None:
    """Each way is cut after every number of bytes: at each frame's boundaries, and in between (there a sample, but with
    --long). Every other time the connection that follows is cut there as well.
    """
    print(f"seed {SEED}")
    fill(6)
    clips = [one.clip.id for one in behind.lease("anna", 6)]
    up, down = frames_of_a_push(way, device("anna"), clips)
    everywhere = [(n, None) for n in range(up[-1] + 1)] + [(None, n) for n in range(down[-1] + 1)]
    edges = {(at + by, None) for at in up for by in (-1, 0, 1)} | {(None, at + by) for at in down for by in (-1, 0, 1)}
    chosen = everywhere if LONG else [cut for cut in everywhere if cut in edges]
    chosen += [] if LONG else random.Random(SEED).sample(everywhere, 100)
    for number, cut in enumerate(chosen):
        anna = device("anna")
        for clip in clips:
            anna.decide(clip, Verdict.CORRECTED, f"text {number}")
        gate = None
        way.cuts = [cut, (None, None)] if number % 2 else [cut, cut]
        while gate is None:
            try:
                gate = GateStore(way)
            except StoreUnreachable:
                continue
        while True:
            try:
                at = gate.head(anna.name).seq
                assert gate.push(anna.name, "anna", anna.lines[at:]).head.seq == 6
                break
            except StoreUnreachable:
                continue
        gate.close()
        way.join()
        assert behind.head(anna.name).seq == 6
    with behind._database.read() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM line").fetchone() == (
            6 * (number + 1),
            6 * (number + 1),
        )
        assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)
    counted("cuts of a conversation with a gate in the same process, at any byte", len(chosen), 6 * len(chosen))


def test_a_push_is_parted_only_where_it_must_be(behind: SqliteStore) -> None:
    pushed: list[int] = []

    class Counting(Unclosed):
        def push(self, device: str, reviewer: str, lines: list[bytes]) -> Pushed:
            pushed.append(len(lines))
            return Pushed(Head(sum(pushed), "x"))

    way = Threaded(lambda: Counting(behind), "anna")
    gate = GateStore(way)
    assert gate.push("d", "anna", [b"x"] * 2001).head.seq == 2001
    assert pushed == [2000, 1]
    gate.close()
    way.join()


def test_a_host_is_given_up_later_than_its_database_gives_up() -> None:
    postgres = pytest.importorskip("earmark.queue.store.postgres_database")
    assert float(postgres._TIMEOUT.removesuffix("s")) + 10 < PATIENCE


def test_one_cut_is_not_even_noticed(way: Threaded, fill: Callable[..., None]) -> None:
    fill(2)
    gate = GateStore(way)
    gate._talk._channel.close()  # type: ignore[union-attr]
    assert len(gate.lease("anna", 2)) == 2
    assert way.tries == 2
    gate.close()


def test_after_a_sign_in_is_asked_for_nothing_more_is_tried_until_it_is_given(way: Threaded) -> None:
    gate = GateStore(way)
    way.locked = True
    gate._talk.close()  # type: ignore[union-attr]
    for _ in range(5):
        with pytest.raises(SignInAgain):
            gate.counts("anna")
    assert way.tries == 2
    gate.sign_in()
    assert way.prompts == 1
    assert gate.counts("anna").clips == 0
    assert way.tries == 3
    way.locked = True
    gate._talk.close()  # type: ignore[union-attr]
    with pytest.raises(SignInAgain):
        gate.counts("anna")
    way.locked = False  # somebody signed in elsewhere
    assert gate.counts("anna").clips == 0
    gate.close()


def test_hanging_up_ends_a_question_at_once(behind: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, let_go = threading.Event(), threading.Event()

    class Slow(Unclosed):
        def counts(self, reviewer: str) -> Any:
            asked.set()
            let_go.wait(30)
            return self._store.counts(reviewer)

    way = Threaded(lambda: Slow(behind), "anna")
    gate = GateStore(way)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            gate.counts("anna")
        except StoreUnreachable as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(30)
    gate.hang_up()
    thread.join(30)
    assert len(failed) == 1
    with pytest.raises(StoreUnreachable, match="closed"):
        gate.counts("anna")
    let_go.set()
    way.join()


def test_hanging_up_ends_a_connection_that_is_still_being_made(way: Threaded) -> None:
    gate = GateStore(way)
    gate._talk.close()  # type: ignore[union-attr]
    near, far = socket.socketpair()  # a host that takes the line and says nothing
    way.open = lambda: SocketChannel(near)  # type: ignore[method-assign]
    failed: list[Exception] = []

    def ask() -> None:
        try:
            gate.counts("anna")
        except StoreUnreachable as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert far.recv(1)  # the greeting is on its way
    gate.hang_up()
    thread.join(30)
    assert len(failed) == 1
    far.close()


def test_a_host_that_falls_silent_is_given_up(behind: SqliteStore) -> None:
    let_go = threading.Event()

    class Stuck(Unclosed):
        def counts(self, reviewer: str) -> Any:
            let_go.wait(30)
            return self._store.counts(reviewer)

    way = Threaded(lambda: Stuck(behind), "anna")
    gate = GateStore(way, patience=0.2)
    with pytest.raises(StoreUnreachable, match="nothing came from the host"):
        gate.counts("anna")
    let_go.set()
    gate.close()
    way.join()


class Scripted:
    """A channel on which the host has said everything already."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def send(self, data: bytes) -> None:
        pass

    def receive(self, most: int) -> bytes:
        piece, self._said = self._said[:most], self._said[most:]
        return piece

    def close(self) -> None:
        self._said = b""

    def fault(self) -> StoreError:
        return StoreUnreachable("ssh said no")


class Liar:
    """A way to a host that says what the test likes."""

    def __init__(self, *bodies: bytes, before: bytes = MAGIC, **welcome: Any) -> None:
        hello = Welcome(**{"version": 1, "store": "s", "reviewer": "anna"} | welcome)
        frames = [messages.ANSWER + messages.encode(hello), *bodies]
        self._said = before + b"".join(map(packed, frames))

    def open(self) -> Scripted:
        return Scripted(self._said)

    def open_without_sign_in(self) -> bool:
        return True

    def sign_in(self, *, prompt: bool) -> None:
        pass


@pytest.mark.parametrize("store", ["../../home", "", "a/b", "x" * 65, "a\n", "\x1b[2J"])
def test_a_stores_name_that_would_be_a_path_is_refused(store: str) -> None:
    with pytest.raises(StoreError, match=r"makes no sense|another store"):
        GateStore(Liar(store=store))


@pytest.mark.parametrize("reviewer", ["", " anna", "an\x1bna", "x" * 201])
def test_a_reviewers_name_that_is_none_is_refused(reviewer: str) -> None:
    with pytest.raises(StoreError, match=r"makes no sense|another store"):
        GateStore(Liar(reviewer=reviewer))


def test_no_gate_at_all() -> None:
    with pytest.raises(StoreUnreachable, match="ssh said no"):
        GateStore(Liar(before=b"bash: earmark: command not found"))
    with pytest.raises(StoreError, match="no gate of Earmark's"):
        GateStore(Liar(before=b"y\n" * 40_000))


def test_a_login_that_prints_does_no_harm() -> None:
    assert GateStore(Liar(before=b"Last login: today\r\n" + MAGIC)).id == "s"


def leased(**clip: Any) -> bytes:
    given = {"id": "c", "duration": 1.0, "rate": 8000, "hypothesis": Hypothesis("x")} | clip
    return messages.ANSWER + messages.encode([Leased(given.pop("lease", "l"), Clip(**given), 1.0)])


DEEP = b"\x91" * 200_000
"""An array in an array in an array, and no end."""


@pytest.mark.parametrize("said", [b"\x81\xa4more" + DEEP, b"\x81\xa5store\xa1\xff"])
def test_a_greeting_that_makes_no_sense_is_told(said: bytes) -> None:
    way = Liar()
    way._said = MAGIC + packed(messages.ANSWER + said)
    with pytest.raises(StoreError, match="makes no sense"):
        GateStore(way)


@pytest.mark.parametrize(
    "answer",
    [
        b"\0\xc1",
        b"\7" + b"x",
        b"\1\xc1",
        b"\0" + msgspec.msgpack.encode({"clips": "many"}),
        b"\0\x91\x81\xa5lease\xa1\xff",
        b"\0\x91\x81\xa4more" + DEEP,
        b"\1\x82\xa4kind\xa1\xff\xa5words\xa1x",
        b"\2\x81\xa4more" + DEEP,
        leased(id="../x"),
        leased(id=""),
        leased(lease="\x1b[2J"),
        leased(duration=float("nan")),
        leased(duration=float("inf")),
        leased(duration=-1.0),
        leased(rate=0),
    ],
)
def test_what_no_store_says_is_not_believed(answer: bytes) -> None:
    with pytest.raises(StoreError, match=r"makes no sense|cannot be one"):
        GateStore(Liar(answer)).lease("anna", 1)


@pytest.mark.parametrize("sound", [Sound(5, b""), Sound(1, b"xx"), Sound(1 << 40, b"x")])
def test_a_sound_that_never_ends_or_does_not_fit_is_refused(sound: Sound) -> None:
    answer = messages.ANSWER + messages.encode(sound)
    with pytest.raises(StoreError, match="no sound of clip c"):
        GateStore(Liar(answer, answer)).audio("anna", "c")


def test_what_a_host_says_cannot_steer_the_terminal() -> None:
    said = messages.FAILED + messages.encode(messages.Failed("refused", "no\x1b]52;c;x\x07\u202e" + "x" * 9999))
    with pytest.raises(Refused) as caught:
        GateStore(Liar(said)).counts("anna")
    assert str(caught.value).startswith("no\ufffd]52;c;x\ufffd\ufffdxxx")
    assert len(str(caught.value)) == 500


def test_a_reason_for_setting_a_line_aside_is_cleaned_too() -> None:
    said = messages.ANSWER + messages.encode((Quarantined(3, "bad\x1b[2J" + "x" * 9999),))
    (aside,) = GateStore(Liar(said)).quarantined("d")
    assert aside.reason.startswith("bad\ufffd[2Jxxx")
    assert len(aside.reason) == 500


@pytest.mark.parametrize("answer", [b"\1\xc1", b"\1\x81\xa4kind\xa1\xff", b"\1\x81\xa4more" + DEEP])
def test_a_conversation_is_over_after_nonsense(answer: bytes) -> None:
    talk = Conversation(Liar(answer).open(), Hello(1))
    with pytest.raises(StoreError):
        talk.ask(b"x")
    assert talk.ended


@pytest.mark.parametrize("key", [b"", b"k" * 31, b"k" * 33])
def test_a_key_to_seal_to_that_is_none_is_refused(key: bytes) -> None:
    with pytest.raises(StoreError, match="no key"):
        GateStore(Liar(messages.ANSWER + messages.encode(key))).public_key()
