"""The end of the newest segment, as a crash may leave it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.queue.decision import Decision
from earmark.queue.journal import Journal, JournalCorrupt
from earmark.queue.journal.verify import verify

Decide = Callable[..., Decision]
Start = Callable[..., Journal]


@pytest.fixture
def three(start: Start, decide: Decide, folder: Path) -> tuple[Path, bytes, int]:
    """A closed journal of three lines: its segment, the bytes, and where the last line starts."""
    with start() as journal:
        for n in range(3):
            journal.append(decide(f"c{n}", f"text {n}"))
    path = folder / "000001.jsonl"
    data = path.read_bytes()
    return path, data, data[:-1].rindex(b"\n") + 1


def test_torn_at_every_byte_of_the_last_line(
    start: Start, decide: Decide, folder: Path, three: tuple[Path, bytes, int]
) -> None:
    path, data, last = three
    torn = folder / "000001.jsonl.torn"
    for end in range(last, len(data)):
        path.write_bytes(data[:end])
        journal = start()
        if end == last:
            assert (journal.head.seq, journal.recovered) == (2, "")
        elif end == len(data) - 1:
            assert journal.head.seq == 3
            assert "line feed" in journal.recovered
            assert path.read_bytes() == data
        else:
            assert journal.head.seq == 2
            assert "never shown as saved" in journal.recovered and torn.name in journal.recovered
            assert path.read_bytes() == data[:last]
            assert torn.read_bytes() == data[last:end] + b"\n"
            assert stat.S_IMODE(torn.stat().st_mode) == 0o600
            torn.unlink()
        assert journal.append(decide("c9")).seq == journal.head.seq
        journal.close()
        assert verify(folder).faults == ()


def test_one_torn_tail_does_not_overwrite_another(start: Start, folder: Path, three: tuple[Path, bytes, int]) -> None:
    path, data, last = three
    for end in (last + 20, last + 30):
        path.write_bytes(data[:end])
        start().close()
    torn = (folder / "000001.jsonl.torn").read_bytes()
    assert torn == data[last : last + 20] + b"\n" + data[last : last + 30] + b"\n"


@pytest.mark.parametrize("part", [slice(0, 40), slice(40, 200), slice(-90, -1), slice(0, -1)])
def test_pages_that_never_reached_the_disk_are_a_torn_tail(
    start: Start, three: tuple[Path, bytes, int], part: slice
) -> None:
    path, data, last = three
    line = bytearray(data[last:])
    line[part] = b"\0" * len(line[part])
    path.write_bytes(data[:last] + line)
    journal = start()
    assert journal.head.seq == 2
    assert "cut off" in journal.recovered
    assert path.read_bytes() == data[:last]


def test_a_changed_last_line_is_no_torn_tail(start: Start, three: tuple[Path, bytes, int]) -> None:
    path, data, _ = three
    path.write_bytes(data.replace(b"text 2", b"text 3"))
    with pytest.raises(JournalCorrupt, match="line 3"):
        start()


def test_an_unsound_tail_with_a_gap_in_mid_file_is_corruption(start: Start, three: tuple[Path, bytes, int]) -> None:
    path, data, _ = three
    path.write_bytes(b"\0" + data[1:])
    with pytest.raises(JournalCorrupt, match="line 1"):
        start()


def test_cut_off_while_mending(
    start: Start,
    three: tuple[Path, bytes, int],
    folder: Path,
    interrupt: Callable[[int, BaseException], Callable[[], int]],
    crash: type[BaseException],
) -> None:
    path, data, last = three
    steps = reached = 0
    while reached == steps:  # until one run goes through
        steps += 1
        path.write_bytes(data[: last + 99])
        disarm = interrupt(steps, crash())
        try:
            start().close()
        except crash:
            pass
        finally:
            reached = disarm()
        start().close()
        assert path.read_bytes() == data[:last]
        torn = (folder / "000001.jsonl.torn").read_bytes()
        assert set(torn.splitlines()) == {data[last : last + 99]}
    assert steps > 4


def test_making_a_journal_cut_off_anywhere(
    start: Start,
    decide: Decide,
    tmp_path: Path,
    interrupt: Callable[[int, BaseException], Callable[[], int]],
    crash: type[BaseException],
) -> None:
    steps = reached = 0
    while reached == steps:  # until one run goes through
        steps += 1
        folder = tmp_path / f"at-{steps}"
        disarm = interrupt(steps, crash())
        try:
            Journal.open(folder, "anna", app="0.1.0").close()
        except crash:
            pass
        finally:
            reached = disarm()
        with Journal.open(folder, "anna", app="0.1.0") as journal:
            assert journal.append(decide()).seq == 1
        assert verify(folder).faults == ()
    assert steps > 6
