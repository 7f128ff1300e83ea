"""A journal whose payloads are sealed: read with the batch's key, verified without, and every line in its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.queue.journal.line import BadLine, check, split
from earmark.queue.journal.reading import read_entries, standing
from earmark.queue.journal.sealing import PayloadSeal, opened
from earmark.queue.journal.verify import verify
from earmark.queue.seal import new_key, public_key_of

Start = Callable[..., Any]
PRIVATE = new_key()


@pytest.fixture
def sealing() -> PayloadSeal:
    return PayloadSeal(public_key_of(PRIVATE), new_key())


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nothing_is_in_the_clear_and_the_sitting_reads_it(
    start: Start, decide: Any, draft: Any, folder: Path, sealing: PayloadSeal
) -> None:
    journal = start(seal=sealing)
    journal.append(decide("c1", "a secret text"))
    journal.append(draft("c2", "a secret draft"))
    assert journal.latest(["c1"])["c1"].text == "a secret text"
    assert journal.drafts() == {"c2": "a secret draft"}
    journal.close()
    journal = start(seal=sealing)
    assert [entry.text for entry in journal.entries()] == ["a secret text", "a secret draft"]
    held = everything(folder)
    assert b"secret" not in held and b"salt" not in held


def test_without_the_key_it_is_verified_counted_and_told(
    start: Start, decide: Any, draft: Any, folder: Path, sealing: PayloadSeal
) -> None:
    journal = start(seal=sealing)
    journal.append(decide("c1"))
    journal.append(draft("c2", "a draft"))
    journal.append(decide("c3", None, "unintelligible", shown=None))
    journal.close()
    assert verify(folder).faults == ()
    assert standing(folder).verdicts == {"corrected": 1, "unintelligible": 1}
    assert [(entry.sealed, entry.erased, entry.text) for entry in read_entries(folder)] == [
        (True, False, None), (True, False, None), (False, False, None)
    ]  # fmt: skip
    other = start(seal=PayloadSeal(public_key_of(PRIVATE), new_key()))
    assert other.drafts() == {} and other.latest()["c1"].text is None


def test_every_byte_of_a_sealed_line_is_covered(start: Start, decide: Any, folder: Path, sealing: PayloadSeal) -> None:
    journal = start(seal=sealing)
    journal.append(decide("c1", "words"))
    journal.close()
    path = folder / "000001.jsonl"
    whole = path.read_bytes()
    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert verify(folder).faults != (), place
    path.write_bytes(whole)
    assert verify(folder).faults == ()


def test_the_store_opens_it_and_the_chain_holds(start: Start, decide: Any, sealing: PayloadSeal) -> None:
    journal = start(seal=sealing)
    journal.append(decide("c1", "words"))
    (line,) = journal.lines(0)
    plain = opened(split(line), PRIVATE)
    check(plain, "")
    assert json.loads(plain.payload)["text"] == "words"
    with pytest.raises(BadLine):
        opened(split(line), new_key())


def test_a_draft_opens_nowhere_but_here(start: Start, draft: Any, folder: Path, sealing: PayloadSeal) -> None:
    journal = start(seal=sealing)
    journal.append(draft("c1", "unfinished"))
    (line,) = journal.lines(0)
    assert split(line).payload == b"null"
    journal.close()
    (kept,) = (folder / "000001.jsonl").read_bytes().splitlines(keepends=True)
    with pytest.raises(BadLine):
        opened(split(kept), PRIVATE)


def test_erasing_and_retiring_take_both_copies(start: Start, decide: Any, folder: Path, sealing: PayloadSeal) -> None:
    journal = start(seal=sealing)
    for clip in ("c1", "c2", "c3"):
        journal.append(decide(clip))
    journal.append(decide("c1", None, "critical"))
    assert journal.erase("c1", "critical") == 1
    assert journal.erase("c2", "withdrawal") == 1
    assert journal.retire(["c3"]) == 1
    journal.close()
    assert verify(folder).faults == ()
    assert all(entry.payload is None for entry in read_entries(folder))


def test_going_on_as_another_device_keeps_what_is_sealed(
    start: Start, decide: Any, folder: Path, sealing: PayloadSeal
) -> None:
    journal = start(seal=sealing)
    journal.append(decide("c1", "words"))
    journal.renew_device()
    assert journal.latest()["c1"].text == "words"
    (line,) = journal.lines(0)
    assert json.loads(opened(split(line), PRIVATE).payload)["text"] == "words"
    journal.close()
    assert verify(folder).faults == ()


def test_lines_of_both_kinds_stand_in_one_journal(start: Start, decide: Any, sealing: PayloadSeal) -> None:
    journal = start()
    journal.append(decide("c1", "online"))
    journal.close()
    journal = start(seal=sealing)
    journal.append(decide("c2", "offline"))
    journal.close()
    journal = start()
    journal.append(decide("c3", "online again"))
    assert [entry.text for entry in journal.entries()] == ["online", None, "online again"]
