"""Awkward recordings, manifests, names, stores, settings: one clear line each, and none of them steers the terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from terminal.console import SHARED, Console
from terminal.home import Home, decide, leave, opened, saved
from terminal.scan import PAYLOADS, STEERING, foreign, marked

HOSTILE = SHARED / "hostile"
EVIL = "ev\x1b]0;owned\x07il\x9b2J\u202e\x7f"
MOST_MEMORY = 300
PROGRESS = ("\x1b[2K", "\x1b[1A", "\r")
"""What a progress bar writes besides."""


def toml(text: str) -> str:
    """A TOML string in which every control is escaped."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'


# -- load ----------------------------------------------------------------------------------------------------------


def audio(folder: Path) -> Path:
    shutil.copytree(HOSTILE / "audio", folder / "audio")
    return lines(folder, [f"audio/{name}" for name in sorted(os.listdir(folder / "audio"))])


def names(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, HOSTILE / "make_names.py", HOSTILE / "audio" / "plain.flac", folder], check=True, timeout=60
    )
    return lines(folder, sorted(os.listdir(folder)))


def special(folder: Path) -> Path:
    subprocess.run(["sh", HOSTILE / "make_special.sh", folder], check=True, timeout=60)
    return lines(folder, sorted(os.listdir(folder)))


def texts(folder: Path) -> Path:
    """Each awkward text with a sound of its own: with the one they share only the first would go in."""
    rows = [json.loads(line) for line in (HOSTILE / "manifests" / "text_nasty.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        soundfile.write(folder / f"{number}.wav", np.full(4000, number / 100 + 0.01), 8000)
        row["audio_filepath"] = f"{number}.wav"
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines(folder: Path, files: list[str]) -> Path:
    path = folder / "all.jsonl"
    path.write_text(
        "".join(json.dumps({"audio_filepath": name, "text": "the machine heard this"}) + "\n" for name in files)
    )
    return path


CORPORA: dict[str, tuple[Callable[[Path], Path], int, int]] = {
    # how the manifest is had, how many of its lines go in or are there already, how many are refused
    "audio": (audio, 29, 26),
    "names": (names, 18, 1),
    "special": (special, 0, 9),
    "texts": (texts, 10, 1),
    **{
        name: (lambda _, name=name: HOSTILE / "manifests" / name, taken, refused)  # type: ignore[misc]  # the default
        for name, taken, refused in (
            ("bad_lines.jsonl", 2, 5),
            ("bom_crlf.jsonl", 2, 0),
            ("duplicates.jsonl", 3, 0),
            ("not_a_manifest.jsonl", 0, 1),
            ("paths.jsonl", 0, 9),
            ("text_nasty.jsonl", 1, 10),
        )
    },
}


MEASURED = """
import sys
from pathlib import Path
from earmark.tui.commands import main

told = Path(sys.argv.pop(1))
try:
    main()
finally:
    # Not ru_maxrss: that counts the process which started this one as well.
    told.write_text(next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM:")).split()[1])
"""


def measured(home: Home, *arguments: str) -> tuple[int, str, str, float]:
    """A command's exit code, output, errors, and the most memory it had, in MB. A hang fails after two minutes."""
    most = home.folder / "most"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(most), *arguments],
        env=home.whole_env,
        cwd=home.cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr, int(most.read_text()) / 1024


def counted(said: str) -> tuple[int, int]:
    added, known, refused = (int(number) for number in re.findall(r"(\d+) (?:clips? )?(?:added|already|refused)", said))
    return added + known, refused


@pytest.mark.parametrize("kind", CORPORA)
def test_load_says_one_clear_line_for_each(kind: str, tmp_path: Path) -> None:
    make, taken, refused = CORPORA[kind]
    home = Home(tmp_path)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    report = tmp_path / "rejects.jsonl"
    code, out, err, memory = measured(home, "load", str(make(corpus)), "--rejects", str(report))
    assert counted(out) == (taken, refused), out
    assert code == (1 if refused else 0)
    told = err.splitlines()
    rejects = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    assert len(told) == len(rejects) == refused
    for line, reject in zip(told, rejects, strict=True):
        assert line.isprintable() and len(line) < 700, line
        assert line.startswith(f"{reject['file']}:{reject['line']}: ") and line.endswith(reject["reason"])
        assert len(reject["reason"]) > 5 and not re.search("Traceback|Errno|root:", line), line
    assert memory < MOST_MEMORY
    assert not list(home.temporary.iterdir()) and not list(home.own.iterdir()) and not list(home.cwd.iterdir())


# -- the screen ----------------------------------------------------------------------------------------------------


def clean(console: Console, *, more: tuple[str, ...] = ()) -> None:
    """Nothing that steers has come out, whatever was shown."""
    assert foreign(bytes(console.raw), console.columns, console.rows, more=more) == []


def look_everywhere(console: Console) -> None:
    """Open every panel, scrolled to its end, over the clip that is on the screen."""
    for key in ("?", "H"):
        console.press(key)
        console.settle(0.05)
        console.press(*["pagedown"] * 6, pause=0.02)
        console.settle(0.05)
        console.press("escape")
        console.settle(0.15)


def edit(console: Console, typed: str) -> None:
    """Change the text, leave it, come back to it, and save it."""
    console.press("e")
    console.wait("EDITING")
    console.press("home")
    console.type(typed)
    console.settle(0.05)
    console.press("end", "up", "ctrl+g")
    console.wait("YOUR TEXT")
    console.press("e")
    console.wait("EDITING")
    decide(console, "enter")


def at_hand(home: Home) -> int:
    said = home.run("status", "--json")
    assert said.returncode == 0, said.stderr
    return int(json.loads(said.stdout)["at_hand"])


def test_what_goes_in_goes_through_the_screen(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for make in (audio, texts):
        corpus = tmp_path / make.__name__
        corpus.mkdir()
        home.run("load", str(make(corpus)))
    count = at_hand(home)
    assert count > 20
    with home.console("review") as console:
        opened(console)
        for number in range(count):
            if number % 4 == 0:
                look_everywhere(console)
            if number % 2:
                edit(console, f"typed{number} ")
            else:
                decide(console, "enter" if number % 4 else "u")
        console.wait("NOTHING IS LEFT HERE")
        assert saved(console) == count
        look_everywhere(console)
        console.press("p")
        console.wait("DECIDED")
        assert leave(console) == 0
        clean(console)
    assert at_hand(home) == 0
    assert home.run("journal", "verify").returncode == 0


LIES = """
import sys
from earmark.queue import batch
{cut}
from earmark.tui.commands import main
main()
"""
ONE_FILTER_LESS = "batch._harmless = lambda leased: leased"


@pytest.mark.parametrize("cut", ["", ONE_FILTER_LESS], ids=["both filters", "the last filter alone"])
def test_a_store_that_lies(cut: str, tmp_path: Path) -> None:
    """Texts that come out of a store uncleaned, as somebody else's could.

    The filter where data enters must hold them, and the one before the terminal must hold them alone.
    """
    home = Home(tmp_path)
    home.fill([f"plain {number}" for number in range(len(PAYLOADS))])
    with home.database() as database:
        clips = [row[0] for row in database.execute("SELECT id FROM clip ORDER BY arrival")]
        for number, (clip, name) in enumerate(zip(clips, PAYLOADS, strict=True)):
            text = marked(name)
            words = [{"text": word, "start": 0.0, "end": 0.1, "confidence": 0.1} for word in text.split()]
            said = json.dumps({"text": text, "words": words if number % 2 else []})
            database.execute("UPDATE clip SET hypothesis = ?, lang = ?", (said.encode(), EVIL)) if number == 0 else None
            database.execute("UPDATE clip SET hypothesis = ? WHERE id = ?", (said.encode(), clip))
    database.close()
    script = tmp_path / "with_lies.py"
    script.write_text(LIES.format(cut=cut))
    with home.console(argv=[sys.executable, str(script), "review"]) as console:
        opened(console)
        for number in range(len(PAYLOADS)):
            console.wait(f"mark{number:02d}a")
            if number % 3 == 0:
                look_everywhere(console)
            if number % 2:
                edit(console, f"typed{number} ")
            else:
                decide(console, "enter")
        console.wait("NOTHING IS LEFT HERE")
        console.press("H")
        console.wait("mark16a")
        assert leave_twice(console) == 0
        shown = console.raw.decode()
        assert all(f"mark{number:02d}z" in shown for number in range(len(PAYLOADS)))
        clean(console)
    if not cut:
        kept = home.holding("\x9b", home.journal())
        assert not [path for path in kept if STEERING.search(path.read_text("utf-8"))], "nor into the journal"
        assert not any(STEERING.search(line["payload"]["text"]) for line in home.decisions())
    everything = (("status",), ("journal", "show"), ("journal", "show", "--json"), ("journal", "verify"))
    for command in (*everything, ("export", "-"), ("export", "-", "--all-decisions"), ("sync",), ("doctor",)):
        in_a_terminal(home, *command)


def leave_twice(console: Console) -> int:
    """Quit from under a panel: the first key closes it."""
    console.press("q")
    console.settle(0.2)
    return leave(console)


def in_a_terminal(home: Home, *command: str, env: dict[str, str] | None = None, code: int | None = None) -> str:
    """A command in a terminal: it ends, and nothing it writes steers. Gives the whole of what it wrote."""
    with home.console(*command, env=env) as console:
        ended = console.wait_exit(60.0)
        said = console.raw.decode()
        assert not foreign(bytes(console.raw), 80, 24, more=PROGRESS if command[0] == "load" else ()), (command, said)
    assert "Traceback" not in said and "fault of Earmark" not in said, said
    assert said.strip(), command
    if code is not None:
        assert ended == code, said
    return said


def test_text_typed_and_pasted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.fill(["one", "two", "three"])
    with home.console("review") as console:
        opened(console)
        console.press("e")
        console.wait("EDITING")
        for name in PAYLOADS:
            console.paste(f"mark {PAYLOADS[name]}")
            console.settle(0.05)
        for letter in "\u202e\u2066\x9b\u200f\u2028\ufeff":
            console.type(letter)
        console.settle(0.2)
        decide(console, "enter")
        console.press("H")
        console.wait("THIS SITTING")
        assert leave_twice(console) == 0
        clean(console)
    (line,) = home.decisions()
    assert "mark" in line["payload"]["text"] and not STEERING.search(line["payload"]["text"])


# -- names and settings --------------------------------------------------------------------------------------------


def test_settings_on_the_screen(tmp_path: Path) -> None:
    home = Home(tmp_path / EVIL.replace("/", ""), EARMARK_REVIEWER=EVIL)
    home.fill([f"text {number}" for number in range(4)])
    marks = "\n".join(f"{mark} = {toml(' '.join(map(marked, PAYLOADS)))}" for mark in ("critical", "skipped"))
    keymap = home.folder / f"{EVIL}.toml"
    keymap.write_text('[review]\nreplay = "x"\n')
    (home.path / "config.toml").write_text(f"keymap = {toml(str(keymap))}\nsync_seconds = 0.5\n[marks]\n{marks}\n")
    with home.console("review") as console:
        opened(console)
        console.press("?")
        console.wait("il")
        console.press(*["down"] * 120, pause=0.005)
        console.settle(0.3)
        console.press("escape")
        console.settle(0.2)
        decide(console, "u")
        # An error of the store names its path.
        with home.database() as database:
            database.execute("ALTER TABLE tombstone RENAME TO gone")
        database.close()
        console.wait("Not in step with the store", 20.0)
        with home.database() as database:
            database.execute("ALTER TABLE gone RENAME TO tombstone")
        database.close()
        assert leave(console) == 0
        assert "mark16z" in console.raw.decode()
        clean(console)


def test_names_and_settings_in_commands(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.fill(["text"])
    folder = tmp_path / EVIL
    folder.mkdir()
    (folder / f"{EVIL}.jsonl").write_text(
        f'{{"audio_filepath": "x.wav"}}\n{{bad\n{json.dumps({"audio_filepath": EVIL})}\n'
    )
    (folder / f"{EVIL}.toml").write_text(
        f'[review]\n{toml(EVIL)} = "x"\nreplay = {toml(EVIL)}\n[{toml(EVIL)}]\na = "b"\n'
    )
    (folder / "ids").write_text(f"{EVIL}\n", encoding="utf-8")
    manifest, keymap = str(folder / f"{EVIL}.jsonl"), str(folder / f"{EVIL}.toml")
    for command in (
        (EVIL,),
        ("status", EVIL),
        ("status", f"--{EVIL}"),
        ("load", manifest, "--rejects", str(folder / "rejects")),
        ("load", manifest, "--dry-run"),
        ("load", f"{manifest}x"),
        ("load", manifest, "--root", EVIL),
        ("load", manifest, "--subject-field", EVIL),
        ("load", manifest, "--rejects", str(folder / EVIL / "not here")),
        ("keys", "--keymap", EVIL),
        ("keys", "--keymap", keymap),
        ("review", "--keymap", keymap),
        ("review", "--sound", EVIL),
        ("withdraw", "--yes", EVIL),
        ("withdraw", "--yes", "--subject", EVIL),
        ("withdraw", "--yes", "--from", str(folder / "ids")),
        ("withdraw", "--yes", "--from", EVIL),
        ("export", str(folder / EVIL)),
        ("export", str(folder / EVIL / EVIL / EVIL)),
        ("export", "-", "--verdict", EVIL),
        ("journal", "verify", EVIL),
        ("journal", "verify", str(folder)),
        ("journal", "show"),
        ("completion", EVIL),
    ):
        in_a_terminal(home, *command)
    for name, value in (
        ("EARMARK_REVIEWER", EVIL),
        ("EARMARK_STORE", EVIL),
        ("EARMARK_STORE", f"{EVIL}://x"),
        ("EARMARK_STORE", f"sqlite:///{folder / EVIL}"),
        ("EARMARK_STORE", f"sqlite:///{manifest}"),
        ("EARMARK_HOME", str(folder)),
        ("EARMARK_HOME", manifest),
        ("EARMARK_CONFIG", str(folder / EVIL)),
        ("EARMARK_CONFIG", keymap),
        ("EARMARK_THEME", EVIL),
        ("EARMARK_MUST_HEAR", EVIL),
        (f"EARMARK_{EVIL}", "1"),
    ):
        for command in (("journal", "show"), ("status",), ("doctor",)):
            in_a_terminal(home, *command, env={name: value})
    for config in (f"{toml(EVIL)} = 1", f"theme = {toml(EVIL)}", f"[marks]\n{toml(EVIL)} = 'x'", f"x = '{EVIL}'"):
        (home.path / "config.toml").write_text(config)
        assert "config.toml" in in_a_terminal(home, "status", code=1)


def test_source_names_in_an_export(tmp_path: Path) -> None:
    """Neither a terminal nor a spreadsheet gets the controls of a name, even when the store gives it out uncleaned."""
    home = Home(tmp_path)
    home.fill(["text"])
    with home.console("review") as console:
        opened(console)
        decide(console, "enter")
        assert leave(console) == 0
    with home.database() as database:
        database.execute("UPDATE clip SET source = ?, lang = ?", (f"{EVIL}.wav", EVIL))
    database.close()
    for name in ("out.jsonl", "out.csv"):
        assert home.run("export", str(tmp_path / name), "--source").returncode == 0
        written = (tmp_path / name).read_text("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
        assert not STEERING.search(written), written
    assert json.loads((tmp_path / "out.jsonl").read_text())["audio_filepath"] == f"{EVIL}.wav"
    in_a_terminal(home, "export", "-", "--source")
