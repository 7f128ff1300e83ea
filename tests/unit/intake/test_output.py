"""Results in files: tables that spreadsheets do not run, and files that are there whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from earmark.queue.formats import table
from earmark.queue.formats.output import write_results
from earmark.queue.store.interface import Result


def result(**changes: Any) -> Result:
    usual: dict[str, Any] = {
        "clip": "c0ffee",
        "reviewer": "ada",
        "verdict": "corrected",
        "revision": 1,
        "at": "2026-11-23T09:12:05.123Z",
        "text": "turn on",
        "note": None,
        "machine": "turn",
        "lang": "en",
        "duration": 2.99,
        "heard": 1.0,
        "plays": 2,
        "seconds": 14.2,
    }
    return Result(**(usual | changes))


def rows(*results: Result) -> list[dict[str, str]]:
    out = io.BytesIO()
    assert table.write(results, out) == len(results)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode("utf-8-sig"), newline="")))


def test_a_table() -> None:
    out = io.BytesIO()
    table.write([result(text='say "hi", now', note="Grüße", source="a.wav#t=2,4.99")], out)
    head, line, end = out.getvalue().decode().split("\r\n")
    assert head == "\ufeff" + (
        "audio_filepath,offset,duration,text,pred_text,lang,clip,verdict,reviewer,revision,at,note,heard,plays,seconds"
    )
    assert line == (
        'a.wav,2.0,2.99,"say ""hi"", now",turn,en,c0ffee,corrected,ada,1,2026-11-23T09:12:05.123Z,Grüße,1.0,2,14.2'
    )
    assert end == ""


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "=cmd|'/c calc'!A1", "＝1+1", "-5 Grad"]
)
def test_no_cell_is_a_formula(formula: str) -> None:
    (row,) = rows(result(text=formula, machine=formula, note=formula, reviewer=formula, source=formula, lang=formula))
    for column in ("text", "pred_text", "note", "reviewer", "audio_filepath", "lang"):
        assert row[column].startswith("'"), column


def test_numbers_and_plain_text_stay_as_they_are() -> None:
    (row,) = rows(result(text="a=b", note="5-6"))
    assert (row["text"], row["note"], row["duration"]) == ("a=b", "5-6", "2.99")


def test_the_ending_says_which_format(tmp_path: Path) -> None:
    assert write_results([result()], str(tmp_path / "out.CSV")) == 1
    assert write_results([result(), result()], str(tmp_path / "out.json")) == 2
    assert (tmp_path / "out.CSV").read_bytes().startswith(b"\xef\xbb\xbfaudio_filepath,")
    assert [json.loads(line)["text"] for line in (tmp_path / "out.json").read_text().splitlines()] == [
        "turn on",
        "turn on",
    ]


def test_the_file_is_the_owners_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    write_results([result()], str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_a_failure_leaves_the_older_file(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("older")

    def failing() -> Iterator[Result]:
        yield result()
        raise RuntimeError("store gone")

    with pytest.raises(RuntimeError):
        write_results(failing(), str(target))
    assert target.read_text() == "older"
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "real" / "out.jsonl")
    write_results([result()], str(tmp_path / "out.jsonl"))
    assert (tmp_path / "out.jsonl").is_symlink()
    assert (tmp_path / "real" / "out.jsonl").stat().st_size > 0


def test_a_device_is_written_not_replaced() -> None:
    assert write_results([result()], "/dev/null") == 1
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_results([result()], str(tmp_path / "missing" / "out.jsonl"))


def test_standard_output() -> None:
    script = (
        "from earmark.queue.formats.output import write_results\n"
        "from earmark.queue.store.interface import Result\n"
        "write_results([Result(clip='c', reviewer='r', verdict='accepted', revision=1, at='t', text='x', note=None,"
        " machine=None, lang=None, duration=1.0, heard=1.0, plays=1, seconds=1.0)], '-')\n"
        "print('after')\n"
    )
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout.splitlines()
    assert json.loads(said[0])["text"] == "x" and said[1] == b"after"
