"""A secret word in a clip's text, and one that a reviewer types: where they must never be found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from needs import need
from terminal.console import earmark
from terminal.home import Home, decide, leave, opened
from terminal.scan import LEAVE, foreign

HEARD, TYPED = "zyxheardsecret", "qvwtypedsecret"

CRASHING = """
import sys
from earmark.tui.deciding import Deciding
from earmark.tui.hearing import Hearing
from earmark.tui.instep import InStep
from earmark.tui.panels import Panels
from earmark.tui.reviewing import Reviewing
from earmark.tui.screens.review import ReviewScreen
from earmark.tui.sitting import Sitting
from earmark.tui.widgets.transcript import Transcript

HEARD = "zyxheard" + "secret"

def fail(*given, **named):
    local = HEARD
    raise ValueError(f"what was at hand: {local}")

async def fail_later(*given, **named):
    fail()

where = sys.argv.pop(1)
if where == "a key":
    Panels.help = fail
elif where == "saving":
    Sitting.save = fail_later
elif where == "the disk":
    Sitting._append = fail
elif where == "sending":
    InStep._push = fail_later
elif where == "a clock":
    Reviewing._idle = fail
elif where == "the sound":
    Hearing.player_says = fail
elif where == "fetching":
    Sitting.sound = fail_later
elif where == "painting":
    Transcript.render_line = fail
elif where == "the end":
    Sitting.end = fail_later
elif where == "the start":
    Sitting.__init__ = fail
from earmark.tui.commands import main
main()
"""
PLACES = re.findall(r'where == "(.*)"', CRASHING)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.fill([f"one {HEARD} more", f"two {HEARD} more", f"three {HEARD} more"])
    return home


def quiet(home: Home) -> None:
    """Nothing has been written outside the program's own folder, and no secret lies anywhere but in the store."""
    for place in (home.own, home.temporary, home.cwd):
        assert not list(place.rglob("*")), place


@pytest.mark.parametrize("where", PLACES)
def test_a_crash_tells_no_values(where: str, home: Home, alsa_file: Path) -> None:
    if where in ("the sound", "fetching"):
        home.env["EARMARK_SOUND"] = "simpleaudio"
    script = home.folder / "crashing.py"
    script.write_text(CRASHING)
    with home.console(argv=[sys.executable, str(script), where, "review"]) as console:
        if where not in ("the start", "painting", "the sound", "fetching", "sending", "a clock"):
            opened(console)
            console.press("e")
            console.wait("EDITING")
            console.type(TYPED)
            console.settle()
            console.press("ctrl+g")
            console.settle()
            console.press("?", pause=0.3)
            console.press("escape", pause=0.3)
            if console.process.poll() is None and where in ("saving", "the disk"):
                console.press("u")
            elif console.process.poll() is None:
                console.press("q")
        assert console.wait_exit(20.0) == 1
        raw = console.raw.decode()
        said = raw.rpartition(LEAVE)[2] if LEAVE in raw else raw
        assert "ValueError" in said and "crashing.py" in said, said
        assert HEARD not in said and TYPED not in said and "at hand" not in said, said
        assert not foreign(bytes(console.raw), 80, 24)
    assert not home.holding(TYPED)
    quiet(home)


def test_a_crash_of_a_command_tells_no_values(home: Home) -> None:
    script = home.folder / "crashing.py"
    script.write_text(
        f"""
import sys
from earmark.queue.store.sqlite import SqliteStore

def fail(*given, **named):
    local = "{HEARD}"
    raise ValueError(local)

SqliteStore.counts = SqliteStore.results = SqliteStore.add = SqliteStore.lease = fail
from earmark.tui.commands import main
main()
"""
    )
    (home.cwd / "manifest.jsonl").write_text("")
    for command in (("status",), ("export", "-"), ("load", "manifest.jsonl"), ("doctor",)):
        ran = subprocess.run(
            [sys.executable, script, *command],
            env=home.whole_env,
            cwd=home.cwd,
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = ran.stdout + ran.stderr
        assert ran.returncode == 1 and "ValueError" in said and HEARD not in said, said


TEXTUAL = {
    "TEXTUAL": "devtools,debug",
    "TEXTUAL_LOG": "textual.log",
    "TEXTUAL_SCREENSHOT": "0",
    "TEXTUAL_SCREENSHOT_LOCATION": ".",
    "TEXTUAL_SCREENSHOT_FILENAME": "screen.svg",
    "TEXTUAL_PRESS": "s,s,q",
    "TEXTUAL_DRIVER": "nowhere:Driver",
    "TEXTUAL_DEBUG": "1",
}


def test_textuals_own_settings_do_nothing(home: Home) -> None:
    with home.console("review", env=TEXTUAL) as console:
        opened(console)
        console.settle(0.5, 1.5)
        assert "saved 0" in console.text() and console.process.poll() is None
        assert decide(console, "u") == 1
        assert leave(console) == 0
        assert not foreign(bytes(console.raw), 80, 24)
    quiet(home)


def test_no_palette_no_clipboard_no_title_no_screenshot(home: Home) -> None:
    with home.console("review") as console:
        opened(console)
        for key in ("\x10", "\x1c", "\x13", "\x11", "\x0f"):  # ctrl+p, ctrl+\\, ctrl+s, ctrl+q, ctrl+o
            console.press(key, pause=0.15)
            assert HEARD in console.text() and "Search" not in console.text(), console.text()
        console.press("e")
        console.wait("EDITING")
        console.type(TYPED)
        console.press("home", pause=0.1)
        for _ in range(30):
            console.type("\x1b[1;2C")  # shift+right: selects
        console.settle()
        for key in ("\x18", "\x10", "\x16", "f6", "f7", "\x1bOP", "\x1b[2;5~", "\x1b[3;2~"):  # cut, palette, paste, …
            console.press(key, pause=0.1)
        console.type("\x1b[1;2C" * 5)
        console.press("ctrl+c", pause=0.1)  # copies nothing: it quits
        assert console.wait_exit() == 0
        raw = bytes(console.raw)
        assert not foreign(raw, 80, 24)
        assert b"\x1b]52" not in raw and b"\x1b]0;" not in raw and b"\x1b]2;" not in raw and b"\x1b]1337" not in raw
    quiet(home)


WRITES = re.compile(
    r"(?P<call>openat|open|creat|mkdir|mkdirat|rename|renameat|renameat2|link|linkat|symlink|symlinkat|mknod|mknodat|memfd_create)"
    r"\((?P<rest>.*)\) = (?P<result>\d+)"
)
DEVICES = re.compile(r'"/dev/(null|tty|pts/\d+|urandom|random|snd/\w+|ptmx)"')


@pytest.mark.parametrize("sound", ["none", "simpleaudio", "command"])
def test_nothing_is_written_outside_the_home(sound: str, home: Home, alsa_file: Path) -> None:
    """Every file that the program and its children open for writing, as the kernel saw it: none of them temporary."""
    need("strace")
    trace = home.folder / "trace"
    calls = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,memfd_create"
    argv = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "300",
        "-o",
        str(trace),
        "-e",
        f"trace={calls}",
        *earmark("review", "--sound", sound),
    ]
    with home.console(argv=argv, env={"EARMARK_MUST_HEAR": "0"}) as console:
        opened(console)
        console.settle(0.6, 2.0)
        console.press("e")
        console.wait("EDITING")
        console.type(TYPED)
        console.press("ctrl+g", "H", "H", "?", pause=0.1)
        console.press("escape", pause=0.4)
        decide(console, "u")
        decide(console, "c")
        assert leave(console) == 0
    outside = []
    for line in trace.read_text().splitlines():
        call = WRITES.search(line)
        if call is None or (
            call["call"] in ("open", "openat") and not re.search("O_WRONLY|O_RDWR|O_CREAT", call["rest"])
        ):
            continue
        paths = re.findall(r'"((?:[^"\\]|\\.)*)"', call["rest"])
        if not DEVICES.search(call["rest"]) and not all(path.startswith(str(home.path)) for path in paths):
            outside.append(line)
    assert len(trace.read_text().splitlines()) > 100
    assert not [line for line in outside if str(alsa_file) not in line], "\n".join(outside)
    quiet(home)


def test_a_manifest_with_errors_prints_no_text(tmp_path: Path) -> None:
    home = Home(tmp_path)
    rows = [
        {"audio_filepath": "none.wav", "text": HEARD, "pred_text": HEARD},
        {"audio_filepath": 5, "text": HEARD},
        {"audio_filepath": "x.wav", "text": [HEARD]},
        {"audio_filepath": "x.wav", "text": HEARD, "words": [{"word": HEARD, "start": HEARD}]},
        {"audio_filepath": "x.wav", "text": HEARD, "duration": HEARD},
        {"audio_filepath": "x.wav", "text": HEARD + "\ud800"},
        {"text": HEARD},
        {HEARD: HEARD},
        [HEARD],
        HEARD,
    ]
    lines = [json.dumps(row) for row in rows] + [f'{{"text": "{HEARD}', f"{HEARD}", f'{{"text": "{HEARD}"}} {HEARD}']
    manifest = home.folder / "manifest.jsonl"
    manifest.write_text("\n".join(lines))
    for more in ((), ("--dry-run",), ("--subject-field", "speaker"), ("--rejects", str(home.folder / "rejects"))):
        with home.console("load", str(manifest), *more) as console:
            assert console.wait_exit(30.0) == 1
            assert HEARD not in console.raw.decode(), console.raw.decode()
    manifest.unlink()
    assert not home.holding(HEARD)
    quiet(home)


def test_a_critical_mark_leaves_nothing_that_was_typed(home: Home) -> None:
    """Drafts, decisions, torn tails: here and in the store. A withdrawal takes the machine's text as well."""
    shutil.rmtree(home.folder / "filled")
    with home.console("review") as console:
        opened(console)
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}1\x03")
        assert console.wait_exit() == 0
    (draft,) = home.lines()
    assert draft["kind"] == "draft" and f"{TYPED}1" in draft["payload"]["text"]
    # A line that was cut off while it was written.
    (segment,) = home.journal().glob("[0-9]*.jsonl")
    whole = segment.read_bytes()
    segment.write_bytes(whole + whole[: whole.index(TYPED.encode()) + 30])

    with home.console("review") as console:
        opened(console)
        (torn,) = home.journal().glob("*.torn")
        assert TYPED in torn.read_text()
        console.wait("YOUR TEXT")
        console.type(f"e {TYPED}2")
        decide(console, "enter")
        console.wait("unsent 0")
        assert home.holding(f"{TYPED}2", home.path / "store") and home.holding(f"{TYPED}2", home.journal())
        console.press("p")
        console.wait("DECIDED")
        console.type(f"e {TYPED}3\x07")
        console.wait("YOUR TEXT")
        assert decide(console, "c") == 2
        assert TYPED not in console.text()
        console.wait(lambda _: not home.holding(TYPED, home.journal()))
        console.press("backspace")
        console.wait("Taken back")
        assert f"one {HEARD}" in console.text() and TYPED not in console.text()
        decide(console, "c")
        decide(console, "s")
        console.wait("unsent 0")
        console.settle(0.5, 2.0)
        assert not home.holding(TYPED), "while the screen is still open"
        assert not home.holding(HEARD, home.journal().parent)
        assert leave(console) == 0
    assert not home.holding(TYPED)
    verdicts = [line["verdict"] for line in home.decisions()]
    assert verdicts == ["corrected", "critical", "retracted", "critical", "skipped"]
    assert home.run("journal", "verify").returncode == 0

    assert home.holding("one " + HEARD, home.path / "store")
    assert home.run("withdraw", "--yes", draft["clip"]).returncode == 0
    assert not home.holding("one " + HEARD) and home.holding("two " + HEARD)
    for command in (("export", "-", "--all-decisions"), ("export", "-", "--verdict", "critical"), ("journal", "show")):
        ran = home.run(*command)
        assert ran.returncode == 0 and TYPED not in ran.stdout and "one " + HEARD not in ran.stdout
