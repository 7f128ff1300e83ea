"""What the gate answers, and what it does not let through."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from earmark.queue.decision import Verdict
from earmark.queue.store.gate import messages
from earmark.queue.store.gate.frames import MAGIC, packed, read_frame
from earmark.queue.store.gate.messages import Hello, Welcome
from earmark.queue.store.gate.rate import Bucket
from earmark.queue.store.gate.server import BAD, WELL, Gone, serve
from earmark.queue.store.interface import StoreError
from earmark.queue.store.sqlite import SqliteStore
from gates import Unclosed

HELLO = messages.encode(Hello(messages.VERSION))


def talk(store: Any, *bodies: bytes, raw: bytes = b"", **served: Any) -> tuple[int, list[bytes]]:
    """The exit code, and the bodies of what the gate wrote after its magic word."""
    stream = io.BytesIO(b"".join(map(packed, bodies)) + raw)
    out = bytearray()
    code = serve(lambda: Unclosed(store), "anna", stream.read, out.extend, **served)
    assert out.startswith(MAGIC)
    said = io.BytesIO(bytes(out[len(MAGIC) :]))
    return code, list(iter(lambda: read_frame(said.read, 1 << 26), None))


def words(body: bytes) -> str:
    return str(messages.failure_in(body))


def test_it_welcomes_and_ends_with_its_input(behind: SqliteStore) -> None:
    code, said = talk(behind, HELLO)
    assert code == WELL
    assert msgspec.msgpack.decode(said[0][1:], type=Welcome) == Welcome(messages.VERSION, behind.id, "anna")
    assert talk(behind) == (WELL, [])
    assert talk(behind, raw=packed(HELLO)[:-1]) == (WELL, [])


@pytest.mark.parametrize(
    ("hello", "url", "told"),
    [
        (Hello(2), None, "upgrade the host's"),
        (Hello(messages.VERSION, "ben"), None, "for anna alone"),
        (Hello(messages.VERSION, "anna", "sqlite:///other"), "sqlite:////srv/store", "another store"),
        (Hello(messages.VERSION, None, "sqlite:///tore"), "sqlite:////srv/store", "another store"),
        (Hello(messages.VERSION, None, "sqlite:///"), "sqlite:////srv/store", "another store"),
    ],
)
def test_who_means_somebody_or_somewhere_else_is_told(
    behind: SqliteStore, hello: Hello, url: str | None, told: str
) -> None:
    code, (said,) = talk(behind, messages.encode(hello), store_url=url)
    assert code == BAD
    assert told in words(said)


@pytest.mark.parametrize("wanted", ["sqlite:////srv/team/store", "sqlite:///store", "sqlite:///team/store", None])
def test_a_store_may_be_named_by_the_end_of_its_path(behind: SqliteStore, wanted: str | None) -> None:
    hello = messages.encode(Hello(messages.VERSION, "anna", wanted))
    assert talk(behind, hello, store_url="sqlite:////srv/team/store")[0] == WELL


def test_a_greeting_of_a_later_version_is_understood_so_far(behind: SqliteStore) -> None:
    later = msgspec.msgpack.encode({"type": "hello", "version": 7, "colour": "green"})
    assert "upgrade" in words(talk(behind, later)[1][0])


def bodies() -> list[bytes]:
    encode = msgspec.msgpack.encode
    return [
        b"\xc1",
        b"not a request",
        encode(None),
        encode([]),
        encode({"type": "add", "clips": []}),
        encode({"type": "withdraw", "clips": ["x"]}),
        encode({"type": "results"}),
        encode({"type": "purge"}),
        encode({"type": "withdraw_subject", "subject": "x"}),
        encode({"type": "counts", "reviewer": "ben"}),
        encode({"type": "lease", "count": 1, "reviewer": "ben"}),
        encode({"type": "lease", "count": -1}),
        encode({"type": "lease", "count": 1.5}),
        encode({"type": "lease", "count": "1"}),
        encode({"type": "lease", "count": 2**63}),
        encode({"type": "lease", "count": 1, "lang": "x" * 36}),
        encode({"type": "lease", "count": 1, "first": ["a"] * 1001}),
        encode({"type": "head", "device": ""}),
        encode({"type": "head", "device": "../../etc/passwd"}),
        encode({"type": "head", "device": "a\n"}),
        encode({"type": "head", "device": "x" * 65}),
        encode({"type": "audio", "clip": "a", "start": -1}),
        encode({"type": "renew", "clips": ["'; DROP TABLE clip"]}),
        encode({"type": "release", "clips": ["a"] * 1001}),
        encode({"type": "push", "device": "d", "lines": "x"}),
        encode({"type": "push", "device": "d", "lines": [b"x"] * 2001}),
        encode({"type": "push", "device": "d", "lines": ["text"]}),
        encode({"type": "hello", "version": 1}),
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x81\xa4type" * 50_000,
    ]


@pytest.mark.parametrize("body", bodies(), ids=lambda body: repr(body[:50]))
def test_what_is_no_request_ends_the_connection_with_words_and_changes_nothing(
    behind: SqliteStore, fill: Callable[..., None], everything: Callable[[], bytes], body: bytes
) -> None:
    fill(1)
    before = everything()
    code, said = talk(behind, HELLO, body, messages.encode(messages.Lease(1)))
    assert code == BAD
    assert len(said) == 2
    assert "no request" in words(said[1])
    assert everything() == before


def test_a_frame_that_is_too_long_ends_the_connection_unread(behind: SqliteStore) -> None:
    code, said = talk(behind, HELLO, raw=b"\x7f\xff\xff\xff" + b"x" * 100)
    assert code == BAD
    assert "2,097,152 are allowed" in words(said[1])
    code, said = talk(behind, HELLO + b" " * (1 << 13))
    assert code == BAD


def test_nothing_but_what_a_reviewer_may_ask_is_there() -> None:
    asked = {kind.__name__.lower() for kind in messages.Requests.__args__}
    assert asked == {
        "publickey", "head", "push", "quarantined", "withdrawn", "lease", "reopen", "renew", "release", "audio",
        "counts",
    }  # fmt: skip


def test_more_than_a_thousand_leases_are_not_given_at_a_time(behind: SqliteStore, fill: Callable[..., None]) -> None:
    fill(1005)
    _, said = talk(behind, HELLO, messages.encode(messages.Lease(2**62)))
    assert len(msgspec.msgpack.decode(said[1][1:])) == 1000
    assert behind.counts("ben").at_hand == 5


def test_what_does_not_fit_into_an_answer_stays_leased(
    behind: SqliteStore, fill: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(5)
    monkeypatch.setattr("earmark.queue.store.gate.server.MOST_ANSWERED", 600)
    ask = messages.encode(messages.Lease(5))
    _, said = talk(behind, HELLO, ask, ask)
    one, two = (msgspec.msgpack.decode(body[1:]) for body in said[1:])
    assert 1 <= len(one) < 5
    assert one[0]["clip"]["id"] == two[0]["clip"]["id"]
    assert behind.counts("ben").at_hand == 0
    monkeypatch.setattr("earmark.queue.store.gate.server.MOST_ANSWERED", 10)
    _, said = talk(behind, HELLO, messages.encode(messages.Counts()))
    assert "too long for this way" in words(said[1])


def test_a_store_that_does_not_open_is_told(behind: SqliteStore) -> None:
    def broken() -> Any:
        raise StoreError("the disk is gone\x1b[2J")

    out = bytearray()
    assert serve(broken, "anna", io.BytesIO(packed(HELLO)).read, out.extend) == BAD
    assert "the disk is gone\ufffd[2J".encode() in out


def test_a_fault_of_its_own_is_told_without_its_words(behind: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def counts(reviewer: str) -> Any:
        raise KeyError("SECRET")

    monkeypatch.setattr(behind, "counts", counts)
    out = bytearray()
    stream = io.BytesIO(packed(HELLO) + packed(messages.encode(messages.Counts())))
    with pytest.raises(KeyError):
        serve(lambda: Unclosed(behind), "anna", stream.read, out.extend)
    assert b"KeyError" in out
    assert b"SECRET" not in out


def test_nobody_there_to_read_the_answer_is_no_fault(behind: SqliteStore) -> None:
    def write(data: bytes) -> None:
        raise Gone

    assert serve(lambda: behind, "anna", io.BytesIO(packed(HELLO)).read, write) == WELL


def test_who_asks_too_fast_waits(behind: SqliteStore) -> None:
    waits: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    bucket = Bucket(10.0, 3, clock=lambda: now[0], sleep=sleep)
    ask = messages.encode(messages.Counts())
    code, said = talk(behind, HELLO, *[ask] * 8, bucket=bucket)
    assert code == WELL
    assert len(said) == 9
    assert waits == pytest.approx([0.1] * 5)
    now[0] += 100
    del waits[:]
    talk(behind, HELLO, *[ask] * 4, bucket=bucket)
    assert waits == pytest.approx([0.1])


def test_a_line_in_anothers_name_is_set_aside(
    behind: SqliteStore, fill: Callable[..., None], device: Callable[[str], Any]
) -> None:
    fill(1)
    (leased,) = behind.lease("anna", 1)
    ben = device("ben")
    ben.decide(leased.clip.id, Verdict.ACCEPTED)
    _, said = talk(behind, HELLO, messages.encode(messages.Push(ben.name, ben.lines)))
    assert b"it is another reviewer's" in said[1]
    assert list(behind.results()) == []
