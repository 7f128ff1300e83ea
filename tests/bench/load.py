"""`earmark load`: a million lines with `--dry-run` against `json.loads` of each; 10,000 real clips against decoding."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from measure import SPEECH, Row, both, runs, show, workplace

LINES = 1_000_000
CLIPS = 10_000
NEMO = ("duration", "text", "pred_text", "lang")
SHORTEST, LONGEST = 0.5, 5.0  # seconds of a part

PARSE = """
import json, sys
with open(sys.argv[1], "rb") as lines:
    for line in lines:
        json.loads(line)
"""

DECODE = """
import json, os, sys
import soundfile
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libmpg123 prints what it thinks of an MP3 that is entered in its midst
with open(sys.argv[1], "rb") as lines:
    for line in lines:
        part = json.loads(line)
        with soundfile.SoundFile(part["audio_filepath"]) as file:
            file.seek(round(part["offset"] * file.samplerate))
            file.read(round(part["duration"] * file.samplerate), dtype="float32")
"""


class Ran(NamedTuple):
    """How long a program ran, and the most memory that it held."""

    seconds: float
    megabytes: float


def run(arguments: list[str], env: dict[str, str]) -> Ran:
    """Run this interpreter to its end. Raises `RuntimeError` when it fails, as `load` does when it refuses a line."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *arguments], env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments[:3]} ended with code {process.returncode}")
    return Ran(seconds, usage.ru_maxrss / 1024)


def clips() -> list[dict[str, Any]]:
    """The real clips, with the full paths of their audio."""
    found = [json.loads(line) for line in SPEECH.read_text(encoding="utf-8").splitlines()]
    return [{**clip, "audio_filepath": str(SPEECH.parent / clip["audio_filepath"])} for clip in found]


def write(manifest: Path, lines: Iterator[dict[str, Any]]) -> Path:
    with manifest.open("w", encoding="utf-8") as out:
        for line in lines:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    return manifest


def copied_clips(folder: Path) -> list[dict[str, Any]]:
    """The real clips with their audio beside the manifest, as in a corpus, and with the fields of NeMo's manifests."""
    (folder / "audio").mkdir()
    found = []
    for clip in clips():
        source = Path(clip["audio_filepath"])
        shutil.copyfile(source, folder / "audio" / source.name)
        fields: dict[str, Any] = {name: clip[name] for name in NEMO if name in clip}
        found.append({"audio_filepath": f"audio/{source.name}", **fields})
    return found


def million(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A million lines, each naming another file than the one before."""
    for number in range(LINES):
        yield {**found[number % len(found)], "offset": 0.0, "id": number}


def parts(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Ten thousand parts of the real clips, which begin and end elsewhere each."""
    long_enough = [clip for clip in found if clip["duration"] >= 2 * SHORTEST]
    rounds = -(-CLIPS // len(long_enough))
    for number in range(CLIPS):
        clip = long_enough[number % len(long_enough)]
        turn = number // len(long_enough)
        length = SHORTEST + (min(clip["duration"], LONGEST) - SHORTEST) * turn / rounds
        offset = (clip["duration"] - length) * (turn * 7 % rounds) / rounds
        part = {"audio_filepath": clip["audio_filepath"], "offset": round(offset, 4), "duration": round(length, 4)}
        yield {**part, "pred_text": clip["pred_text"], "lang": clip["lang"]}


def rates(what: str, count: int, ours: list[Ran], theirs: list[Ran], most_megabytes: float | None) -> list[Row]:
    """Rows of a second's work, of the whole time and of memory."""

    def of(each: Callable[[Ran], float]) -> tuple[list[float], list[float]]:
        return [each(ran) for ran in ours], [each(ran) for ran in theirs]

    return [
        both(what, *of(lambda ran: count / ran.seconds), unit="/s")[0],
        both(f"{what}, the whole", *of(lambda ran: ran.seconds), unit="s")[0],
        both(f"{what}, peak memory", *of(lambda ran: ran.megabytes), unit="MB", most=most_megabytes)[1],
    ]


def main() -> None:
    count = runs(__doc__ or "", 3)
    dry: list[Ran] = []
    parsed: list[Ran] = []
    loaded: list[Ran] = []
    decoded: list[Ran] = []
    with workplace() as (folder, env):
        manifest = write(folder / "million.jsonl", million(copied_clips(folder)))
        cut = write(folder / "parts.jsonl", parts(clips()))
        earmark = ["-m", "earmark.tui", "--home"]
        for number in range(count):
            dry.append(run([*earmark, str(folder / "none"), "load", str(manifest), "--dry-run"], env))
            parsed.append(run(["-c", PARSE, str(manifest)], env))
            home = folder / f"home {number}"
            loaded.append(run([*earmark, str(home), "load", str(cut), "--root", str(SPEECH.parent)], env))
            shutil.rmtree(home)
            decoded.append(run(["-c", DECODE, str(cut)], env))
    show(
        [
            *rates("lines checked (--dry-run)", LINES, dry, parsed, 150),
            *rates("clips loaded", CLIPS, loaded, decoded, None),
        ]
    )


if __name__ == "__main__":
    main()
