"""The NeMo reader and writer."""

from __future__ import annotations

import io
import json
import math
import os
import tracemalloc
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.queue.clip import Hypothesis, Word
from earmark.queue.formats.nemo import LONGEST_LINE, Fault, NotOurField, Row, hypothesis, read, write
from earmark.queue.source import SourceError
from earmark.queue.store.interface import Result

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("EARMARK_SHARED", ROOT.parent / "shared"))
HOSTILE = SHARED / "hostile" / "manifests"

GOOD = {"audio_filepath": "a.wav", "duration": 2.5, "text": "the human one", "pred_text": "the machine one"}


def lines(tmp_path: Path, *given: object, subject_field: str | None = None) -> list[Row | Fault]:
    """What the reader makes of lines: bytes as they are, anything else as JSON."""
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in given))
    return list(read(path, subject_field=subject_field))


def row(tmp_path: Path, **changes: Any) -> Row:
    (only,) = lines(tmp_path, GOOD | changes)
    assert isinstance(only, Row), only
    return only


def fault(tmp_path: Path, line: object, **options: Any) -> str:
    (only,) = lines(tmp_path, line, **options)
    assert isinstance(only, Fault), only
    return only.reason


def test_a_row(tmp_path: Path) -> None:
    good, part = lines(
        tmp_path, GOOD | {"lang": "en", "id": "x", "speaker": "s1"}, GOOD | {"offset": 1.5, "duration": 2}
    )
    assert isinstance(good, Row) and isinstance(part, Row)
    assert (good.line, good.audio, good.offset, good.duration, good.lang) == (1, "a.wav", 0.0, 2.5, "en")
    assert good.text == "the machine one" and good.subject is None
    assert (part.line, part.offset, part.duration, part.source) == (2, 1.5, 2.0, "a.wav#t=1.5,3.5")
    assert part.end == (tmp_path / "manifest.jsonl").stat().st_size


def test_only_the_fields_we_name_come_in(tmp_path: Path) -> None:
    assert "Jane" not in repr(row(tmp_path, speaker="Jane Doe", client_id="Jane", source={"who": "Jane"}))


def test_the_hypothesis_is_pred_text_when_there_is_one(tmp_path: Path) -> None:
    assert row(tmp_path, pred_text=None).text == ""
    assert row(tmp_path, pred_text="").text == ""
    (only,) = lines(tmp_path, {"audio_filename": "b.wav", "text": "only this"})
    assert isinstance(only, Row)
    assert (only.audio, only.text, only.duration) == ("b.wav", "only this", None)


def test_byte_order_mark_carriage_returns_blank_lines_and_no_last_line_feed(tmp_path: Path) -> None:
    good = json.dumps(GOOD).encode()
    read_in = lines(tmp_path, b"\xef\xbb\xbf" + good + b"\r", b"\r", b"  ", b"", good)
    assert [(type(each), each.line) for each in read_in] == [(Row, 1), (Row, 5)]
    assert [type(each) for each in read(HOSTILE / "bom_crlf.jsonl")] == [Row, Row]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json}", "not JSON: it breaks at character 2 of the line"),
        (b'{"audio_filepath": "a.wav", "text": "cut', "not JSON: it breaks at character"),
        (b'{"audio_filepath": "a.wav"} {"audio_filepath": "b.wav"}', "not JSON"),
        (b"[1,2]", "a line must be an object, this is a list"),
        (b'"str"', "a line must be an object, this is text"),
        (b"null", "a line must be an object, this is null"),
        (b'{"audio_filepath": "a\xff.wav"}', "not UTF-8 (byte 22 of the line)"),
        (b'{"audio_filepath": "a.wav", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"audio_filepath": "a.wav", "duration": 1' + b"0" * 5000 + b"}", "a number too large"),
        ({"duration": 1.0}, "audio_filepath: missing"),
        ({"audio_filepath": None}, "audio_filepath: missing"),
        ({"audio_filepath": 3}, "audio_filepath: must be text, is a whole number"),
        (GOOD | {"duration": "2.5"}, "duration: must be a number, is text"),
        (GOOD | {"duration": True}, "duration: must be a number, is true or false"),
        (GOOD | {"duration": 0}, "duration: must be more than 0 seconds"),
        (GOOD | {"duration": -1.0}, "duration: must be more than 0 seconds"),
        (GOOD | {"duration": math.nan}, "duration: must be more than 0 seconds"),
        (GOOD | {"duration": math.inf}, "duration: must be more than 0 seconds"),
        (b'{"audio_filepath": "a.wav", "duration": 1e999}', "duration: must be more than 0 seconds"),
        (GOOD | {"offset": -0.5}, "offset: must be 0 seconds or more"),
        (GOOD | {"offset": [1]}, "offset: must be a number, is a list"),
        (GOOD | {"pred_text": 5}, "pred_text: must be text, is a whole number"),
        (GOOD | {"text": {"a": 1}}, "text: must be text, is an object"),
        (GOOD | {"lang": 1.5}, "lang: must be text, is a number"),
        (GOOD | {"words": "hello"}, "words: must be a list, is text"),
        (GOOD | {"words": ["hello"]}, "words[0]: must be an object, is text"),
        (GOOD | {"words": [{"word": "a"}, {"word": "b", "start": "1"}]}, "words[1].start: must be a number, is text"),
        (GOOD | {"pred_text": "x" * 50_001}, "the text has 50001 characters: no clip has more than 50000"),
    ],
)
def test_a_bad_line_says_what_is_wrong(tmp_path: Path, line: object, reason: str) -> None:
    assert fault(tmp_path, line).startswith(reason)


def test_a_fault_names_line_and_audio_and_the_rest_goes_on(tmp_path: Path) -> None:
    first, second, third = lines(tmp_path, GOOD, GOOD | {"audio_filepath": "b\x1b.wav", "duration": 0}, GOOD)
    assert isinstance(first, Row) and isinstance(third, Row) and isinstance(second, Fault)
    assert (second.file, second.line, second.audio) == ("manifest.jsonl", 2, "b\\x1b.wav")


def test_awkward_manifests() -> None:
    assert [each.line for each in read(HOSTILE / "bad_lines.jsonl") if isinstance(each, Fault)] == [3, 4, 5, 6, 7]
    assert [each.line for each in read(HOSTILE / "bad_lines.jsonl") if isinstance(each, Row)] == [1, 8]
    assert [each.line for each in read(HOSTILE / "text_nasty.jsonl") if isinstance(each, Fault)] == [10]
    assert len([each for each in read(HOSTILE / "duplicates.jsonl") if isinstance(each, Row)]) == 3


def test_what_is_plainly_no_manifest_ends_soon(tmp_path: Path) -> None:
    (only,) = read(HOSTILE / "not_a_manifest.jsonl")
    assert isinstance(only, Fault) and "this is not a NeMo manifest" in only.reason
    assert "this is not a NeMo manifest" in fault(tmp_path, json.dumps(GOOD).encode("utf-16"))
    prose = lines(tmp_path, *[b"It was a dark and stormy night."] * 500)
    assert len(prose) == 21
    assert isinstance(prose[-1], Fault) and "this is not a NeMo manifest" in prose[-1].reason


def test_a_manifest_with_many_bad_lines_is_still_one(tmp_path: Path) -> None:
    wrong = GOOD | {"duration": "long"}
    assert len(lines(tmp_path, *[wrong] * 500)) == 500
    assert len(lines(tmp_path, GOOD, *[b"}"] * 500)) == 501
    assert len(lines(tmp_path, GOOD, b"\0\0\0", GOOD)) == 3


def test_a_line_of_any_length_is_passed_over_not_held(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    good = json.dumps(GOOD).encode() + b"\n"
    with path.open("wb") as out:
        out.write(good)
        for _ in range(64):
            out.write(b"x" * (1 << 20))
        out.write(b"\n" + good)
    tracemalloc.start()
    try:
        first, second, third = read(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * LONGEST_LINE
    finally:
        tracemalloc.stop()
    assert isinstance(first, Row) and isinstance(third, Row) and isinstance(second, Fault)
    assert second.reason == "longer than 4 MiB"
    assert (third.line, third.end) == (3, path.stat().st_size)


def test_what_python_calls_json_is_read(tmp_path: Path) -> None:
    line = GOOD | {"pred_text": "x\ud800", "words": [{"word": "x\ud800", "start": math.nan, "confidence": math.inf}]}
    assert hypothesis(row(tmp_path, **line)) == Hypothesis("x\ufffd", (Word("x\ufffd"),))


def test_a_file_name_that_is_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.wav")
    read_in = row(tmp_path, audio_filepath=name)
    assert read_in.audio == name
    assert read_in.source == "bad\\xff.wav"


def test_the_subject_is_there_or_the_line_is_refused(tmp_path: Path) -> None:
    given = [GOOD | {"speaker": who} for who in ("s 1", 17, "Mu\u0308ller", None, "  ", 1.5)]
    read_in = lines(tmp_path, *given, GOOD, subject_field="speaker")
    assert [each.subject for each in read_in if isinstance(each, Row)] == ["s 1", "17", "Müller"]
    assert [each.reason for each in read_in if isinstance(each, Fault)] == [
        "speaker: missing, and it was to say who speaks",
        "speaker: missing, and it was to say who speaks",
        "speaker: must be a whole number or text, is a number",
        "speaker: missing, and it was to say who speaks",
    ]


@pytest.mark.parametrize("field", ["text", "audio_filepath", "lang", ""])
def test_a_field_that_means_something_else_is_no_subject(tmp_path: Path, field: str) -> None:
    with pytest.raises(NotOurField):
        lines(tmp_path, GOOD, subject_field=field)


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("missing", "no such file"), ("pipe", "not a regular file"), (".", "not a regular file")):
        with pytest.raises(SourceError, match=why):
            next(read(tmp_path / name))


def heard(tmp_path: Path, text: str, *words: dict[str, object]) -> Hypothesis:
    return hypothesis(row(tmp_path, pred_text=text, words=list(words)))


def test_words_come_in_when_they_are_the_texts_words(tmp_path: Path) -> None:
    light = {"word": " light", "start": 0.5, "end": 0.9, "confidence": 0.25}
    assert heard(tmp_path, " turn  light", {"word": "turn"}, light) == Hypothesis(
        "turn  light", (Word("turn"), Word("light", 0.5, 0.9, 0.25))
    )
    assert heard(tmp_path, "客観的", {"word": "客観"}, {"word": "的"}).words == (Word("客観"), Word("的"))
    assert heard(tmp_path, "cafe\u0301", {"word": "caf\u00e9"}).words == (Word("café"),)
    assert heard(tmp_path, "turn it", {"word": "turn"}, {"word": ""}, {"word": "it"}).words == (
        Word("turn"),
        Word("it"),
    )
    assert heard(tmp_path, "turn it", {"word": "turn"}).words == ()
    assert heard(tmp_path, "", {"word": "turn"}).words == ()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"start": math.nan, "end": 1.0}, (None, 1.0, None)),
        ({"start": 0.5, "end": math.inf}, (0.5, None, None)),
        ({"start": -0.5, "end": 1.0}, (None, 1.0, None)),
        ({"start": 1.0, "end": 0.5, "confidence": 1}, (None, None, 1.0)),
        ({"start": 0.1, "end": 0.5}, (None, None, None)),  # before the word in front of it
        ({"start": 0.3, "end": 0.3, "confidence": 0}, (0.3, 0.3, 0.0)),
        ({"confidence": 1.01}, (None, None, None)),
        ({"confidence": -0.01}, (None, None, None)),
        ({"confidence": math.nan}, (None, None, None)),
    ],
)
def test_values_that_cannot_be_count_as_unknown(
    tmp_path: Path, given: dict[str, float], kept: tuple[float | None, ...]
) -> None:
    first, second = heard(tmp_path, "a b", {"word": "a", "start": 0.2, "end": 0.3}, {"word": "b", **given}).words
    assert first == Word("a", 0.2, 0.3)
    assert (second.start, second.end, second.confidence) == kept


def test_text_is_cleaned(tmp_path: Path) -> None:
    assert heard(tmp_path, "\x1b[2Jboo\r\n", {"word": "\x1b[2Jboo"}) == Hypothesis(
        "\ufffd[2Jboo", (Word("\ufffd[2Jboo"),)
    )
    assert row(tmp_path, lang="e\x1bn" + "x" * 100).lang == "e\ufffdn" + "x" * 32
    assert row(tmp_path, lang=" ").lang is None


SECRET = "zebrafish"


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=6),
    subject_field=st.none() | st.just("speaker"),
)
def test_mutated_lines_are_rows_or_faults_that_tell_no_text(
    tmp_path: Path, edits: list[tuple[int, int, bytes]], subject_field: str | None
) -> None:
    line = bytearray(
        json.dumps(
            {
                "pred_text": SECRET,
                "words": [{"word": SECRET, "start": 0.1, "end": 0.5, "confidence": 0.9}],
                "text": SECRET,
                "speaker": 5,
                "duration": 1.25,
                "offset": 0.5,
                "audio_filepath": "a.wav",
            }
        ).encode()
    )
    for at, cut, put in edits:
        line[at : at + cut] = put
    for each in lines(tmp_path, bytes(line), GOOD | {"speaker": "s"}, subject_field=subject_field):
        if isinstance(each, Fault):
            assert each.reason.isprintable() and SECRET not in each.reason
        else:
            assert not [letter for letter in hypothesis(each).text if unicodedata.category(letter) in ("Cc", "Cs")]
            each.source.encode()


def result(**changes: Any) -> Result:
    usual: dict[str, Any] = {
        "clip": "c0ffee",
        "reviewer": "ada",
        "verdict": "corrected",
        "revision": 2,
        "at": "2026-11-23T09:12:05.123Z",
        "text": "turn on the light",
        "note": None,
        "machine": "turn the light",
        "lang": "en",
        "duration": 2.99,
        "heard": 0.97,
        "plays": 2,
        "seconds": 14.2,
    }
    return Result(**(usual | changes))


def test_results_as_a_manifest() -> None:
    out = io.BytesIO()
    assert write([result(), result(source="a/b.wav#t=1.5,4.49", text=None, machine=None, verdict="skipped")], out) == 2
    first, second = out.getvalue().splitlines()
    assert json.loads(first) == {
        "audio_filepath": "c0ffee",
        "duration": 2.99,
        "text": "turn on the light",
        "pred_text": "turn the light",
        "lang": "en",
        "clip": "c0ffee",
        "verdict": "corrected",
        "reviewer": "ada",
        "revision": 2,
        "at": "2026-11-23T09:12:05.123Z",
        "heard": 0.97,
        "plays": 2,
        "seconds": 14.2,
    }
    told = json.loads(second)
    assert (told["audio_filepath"], told["offset"], told["clip"]) == ("a/b.wav", 1.5, "c0ffee")
    assert "text" not in told and "pred_text" not in told


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with path.open("wb") as out:
        write([result(text="Grüße 音声 \ud800\x1b", source="ü.wav#t=1.5,4.49")], out)
    (only,) = read(path)
    assert isinstance(only, Row)
    assert (only.audio, only.offset, only.duration, only.text) == ("ü.wav", 1.5, 2.99, "turn the light")
    assert b"\x1b" not in path.read_bytes()
