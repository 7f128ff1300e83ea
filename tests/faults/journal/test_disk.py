"""A disk that reports errors, or is full: refused with words, nothing said to be saved, sound at the next opening."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.queue.decision import Decision
from earmark.queue.journal import Journal
from earmark.queue.journal.verify import verify
from needs import need

Writer = Callable[..., list[str]]


def run(command: list[str], before: Callable[[], None] | None = None) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, preexec_fn=before)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("code", "words"), [("EIO", "the disk reports an error"), ("ENOSPC", "the disk is full")])
def test_fdatasync_fails(tmp_path: Path, writer: Writer, code: str, words: str) -> None:
    folder, trace = tmp_path / "journal", tmp_path / "trace"
    inject = [
        need("strace"),
        "-f",
        "-o",
        str(trace),
        "-e",
        "trace=fdatasync",
        "-e",
        f"inject=fdatasync:error={code}:when=3",
    ]
    said = run([*inject, *writer(folder, 1, 5)])
    assert said[:3] == ["open", "saved 1", "saved 2"]
    assert [line.split(":")[0] for line in said[3:]] == ["refused 3", "refused 4", "refused 5"]
    assert all(words in line and code in line for line in said[3:])
    calls = [line for line in trace.read_text().splitlines() if "fdatasync(" in line]
    assert len(calls) == 3 and "INJECTED" in calls[2], "a failed sync was tried again"
    with Journal.open(folder, "anna", app="test") as journal:
        assert [entry.clip for entry in journal.entries()] == ["c1", "c2"]
        assert journal.recovered == ""
    assert verify(folder).faults == ()


def test_after_a_failed_sync_opening_again_goes_on(tmp_path: Path, writer: Writer) -> None:
    folder = tmp_path / "journal"
    inject = [need("strace"), "-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO:when=3"]
    said = run([*inject, *writer(folder, 1, 4, "reopen")])
    assert [line.split(":")[0] for line in said] == ["open", "saved 1", "saved 2", "refused 3", "saved 3", "saved 4"]
    report = verify(folder)
    assert (report.faults, report.lines) == ((), 4)


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_a_journal_that_cannot_be_made_durable_is_not_opened(tmp_path: Path, writer: Writer, call: str) -> None:
    folder = tmp_path / "journal"
    if call == "fdatasync":  # asked for when there is something to open
        assert run(writer(folder, 1, 1)) == ["open", "saved 1"]
    said = run(
        [need("strace"), "-f", "-o", "/dev/null", "-e", f"inject={call}:error=EIO:when=1+", *writer(folder, 2, 1)]
    )
    assert len(said) == 1
    assert said[0].startswith("unopened: ") and "the disk reports an error" in said[0]
    assert run(writer(folder, 2, 1)) == ["open", "saved 2"]


def test_a_file_that_may_not_grow(tmp_path: Path, writer: Writer) -> None:
    folder = tmp_path / "journal"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    said = run(writer(folder, 1, 30), limit)
    saved = [line for line in said if line.startswith("saved")]
    refused = [line for line in said if line.startswith("refused")]
    assert len(saved) > 3 and len(refused) > 3 and said == ["open", *saved, *refused]
    with Journal.open(folder, "anna", app="test") as journal:
        assert journal.head.seq == len(saved)
        assert journal.recovered == ""
    assert verify(folder).faults == ()


FULL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from writer import decision, say
from earmark.queue.journal import Journal, NotSaved
from earmark.queue.journal.verify import verify
disk = Path("/mnt")
ballast = disk / "ballast"
ballast.write_bytes(bytes(12_288))
journal = Journal.open(disk / "journal", "anna", app="test")
saved = 0
try:
    while True:
        journal.append(decision(saved + 1))
        saved += 1
except NotSaved as error:
    say(f"refused: {error}")
try:
    journal.append(decision(9999))
except NotSaved:
    say("still refused")
assert journal.head.seq == saved
assert len(list(journal.entries())) == saved
report = verify(disk / "journal")
assert (report.faults, report.lines) == ((), saved), report
try:
    journal.erase("c1", "withdrawal")
except NotSaved as error:
    say("no room to erase")
ballast.unlink()
journal.reopen()
journal.append(decision(saved + 1))
journal.close()
report = verify(disk / "journal")
assert (report.faults, report.lines) == ((), saved + 1), report
say(f"sound after {saved}")
"""


def test_a_full_disk(apart: list[str], writer: Writer) -> None:
    here = str(Path(__file__).parent)
    mount = 'mount -t tmpfs -o size=64k none /mnt && exec "$@"'
    said = run([*apart, "sh", "-c", mount, "sh", sys.executable, "-c", FULL, here])
    assert len(said) == 4, said
    assert said[0].startswith("refused: not saved: the disk is full")
    assert said[1:3] == ["still refused", "no room to erase"]
    assert said[3].startswith("sound after ") and int(said[3].split()[-1]) > 10


def test_no_text_is_in_what_is_said(tmp_path: Path, writer: Writer) -> None:
    done = subprocess.run(
        [
            need("strace"),
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "inject=fdatasync:error=EIO:when=1",
            *writer(tmp_path / "j", 1, 2),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "refused" in done.stdout
    assert "text 1" not in done.stdout + done.stderr
    assert Decision.__name__ not in done.stderr
