"""A disk that fails under the running screen: it refuses with words, shows nothing as saved, and saves when it can."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from earmark.queue.journal.verify import verify
from needs import need
from terminal.console import Console, TimedOut
from terminal.home import Home, decide, leave, opened, saved

WORDS = {"EIO": "EIO", "ENOSPC": "disk is full"}


@contextmanager
def failing(console: Console, error: str) -> Iterator[None]:
    """Every fdatasync of the program fails while this lasts."""
    what = ("-e", "trace=fdatasync", "-e", f"inject=fdatasync:error={error}")
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(console.process.pid), *what], stderr=subprocess.PIPE
    )
    try:
        end = time.monotonic() + 10
        while not traced(console.process.pid, tracer.pid):
            assert tracer.poll() is None and tracer.stderr, tracer.stderr and tracer.stderr.read()
            assert time.monotonic() < end, "strace does not attach"
            time.sleep(0.01)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=10)


def traced(pid: int, by: int) -> bool:
    """Whether every thread of a process has this tracer."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    return all(f"TracerPid:\t{by}\n" in (task / "status").read_text() for task in tasks)


def refuse(console: Console, key: str) -> None:
    """Press a key that decides: the screen says that nothing was saved."""
    before = saved(console)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        console.press(key)
        try:
            console.wait(lambda text: "NOT SAVED" in text or saved(console) > before or "That was quick" in text, 2.0)
        except TimedOut:
            continue
        assert saved(console) == before, "shown as saved"
        if "NOT SAVED" in console.text():
            return
        console.settle(0.2)
    raise TimedOut(f"the refusal is not told; the screen is\n{console.text()}")


def sound_and_complete(home: Home, count: int) -> None:
    """The journal is whole, holds this many decisions, and each is in the store once."""
    report = verify(home.journal())
    assert not report.faults
    assert home.run("sync").returncode == 0
    ids = [line["id"] for line in home.decisions()]
    assert len(ids) == len(set(ids)) == count
    assert arrived(home) == ids


def arrived(home: Home) -> list[str]:
    """The decisions in the store, in the order of their arrival."""
    with home.database() as database:
        rows = database.execute("SELECT id FROM line WHERE verdict IS NOT NULL ORDER BY arrival").fetchall()
    database.close()
    return [row[0] for row in rows]


@pytest.mark.parametrize("error", WORDS)
def test_a_sync_that_fails(error: str, tmp_path: Path) -> None:
    need("strace")
    home = Home(tmp_path)
    home.fill([f"text {number}" for number in range(8)])
    with home.console("review") as console:
        opened(console)
        assert decide(console, "u") == 1
        console.wait("unsent 0")
        first = console.text()
        with failing(console, error):
            refuse(console, "s")
            text = console.text()
            assert WORDS[error] in " ".join(text.split()), text
            assert saved(console) == 1 and "1 decided" in text
            # The same clip waits, whatever is tried.
            refuse(console, "u")
            console.type("e typed\r")
            console.wait("EDITING")
            console.settle(0.5)
            assert saved(console) == 1 and "1 decided" in console.text(), console.text()
            assert "typed" in console.text(), "what was typed stays"
        assert decide(console, "enter") == 2
        assert decide(console, "u") == 3
        console.wait("unsent 0", 30.0)
        assert leave(console) == 0
    decisions = home.decisions()
    assert [line["verdict"] for line in decisions] == ["unintelligible", "corrected", "unintelligible"], first
    assert decisions[1]["payload"]["text"].endswith("typed")
    sound_and_complete(home, 3)


def test_a_draft_that_cannot_be_kept(tmp_path: Path) -> None:
    need("strace")
    home = Home(tmp_path)
    home.fill(["one", "two"])
    with home.console("review") as console:
        opened(console)
        console.type("e typed")
        console.wait("EDITING")
        with failing(console, "EIO"):
            console.press("ctrl+c")
            assert console.wait_exit(20.0) == 1
        assert "NOT SAVED" in console.raw.decode().rpartition("\x1b[?1049l")[2]
    assert not home.lines() or home.lines()[0]["kind"] == "draft"
    assert not verify(home.journal()).faults


ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=3m,mode=700 none "$EARMARK_HOME"
"$@" load "$MANIFEST" >&2
exec "$@" review
"""


def test_a_full_disk(tmp_path: Path) -> None:
    need("unshare")
    home = Home(tmp_path)
    other = Home(tmp_path / "other")
    other.fill([f"text {number}" for number in range(40)])
    argv = [
        "unshare",
        "--mount",
        "--map-root-user",
        "sh",
        "-c",
        ON_A_SMALL_DISK,
        "sh",
        sys.executable,
        "-m",
        "earmark.tui",
    ]
    manifest = str(other.folder / "filled" / "manifest.jsonl")
    with home.console(argv=argv, env={"MANIFEST": manifest, "EARMARK_SYNC_SECONDS": "0.5"}) as console:
        opened(console)
        inside = Home.__new__(Home)  # the same home, as the program sees it
        inside.__dict__.update(
            home.__dict__, path=Path(f"/proc/{console.process.pid}/root") / home.path.relative_to("/")
        )
        assert (inside.path / "store" / "store.db").exists()
        assert decide(console, "u") == 1
        fill_up(inside.path / "filler")
        # The last page of the file has some room still.
        for _ in range(12):
            before = saved(console)
            console.press("u")
            try:
                console.wait(lambda text, before=before: "NOT SAVED" in text or saved(console) > before, 2.0)
            except TimedOut:
                continue
            if "NOT SAVED" in console.text():
                break
            fill_up(inside.path / "filler")
            console.settle(0.4)
        else:
            pytest.fail(f"the disk was full and nothing was refused\n{console.text()}")
        assert "disk is full" in " ".join(console.text().split()), console.text()
        count = saved(console)
        refuse(console, "s")
        assert len(inside.decisions()) == count and not verify(inside.journal()).faults
        (inside.path / "filler").unlink()
        assert decide(console, "u") == count + 1
        assert decide(console, "s") == count + 2
        console.wait("unsent 0", 30.0)
        assert len(inside.decisions()) == count + 2 and not verify(inside.journal()).faults
        # SQLite opens no file of another mount namespace.
        (home.path / "store").mkdir()
        for part in ("store.db", "store.db-wal"):
            shutil.copy(inside.path / "store" / part, home.path / "store")
        assert arrived(home) == [line["id"] for line in inside.decisions()]
        assert leave(console) == 0


def fill_up(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("ab", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
