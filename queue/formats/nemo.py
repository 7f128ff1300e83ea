"""NeMo manifests: JSON Lines with one clip a line.

The fields are those of NeMo's `nemo/collections/common/parts/preprocessing/manifest.py`, with `words` (a list of
`word`, `start`, `end`, `confidence`) beside them. Only fields named here come in.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from earmark.queue.clip import Hypothesis, Word
from earmark.queue.source import open_regular, part_name, split_part
from earmark.queue.store.interface import Result
from earmark.queue.text import MOST_CHARACTERS, clean, clean_name, clean_subject, escaped, normalised

LONGEST_LINE = 4 << 20
"""Bytes. A longer line is passed over, never held."""

_HOPELESS = 20  # lines at the beginning, none of which is an object: then the file is no manifest
_MOST_OF_A_LANGUAGE = 35  # as long as RFC 5646 says a buffer for a language tag must be at least
_BOM = b"\xef\xbb\xbf"


class SpokenWord(msgspec.Struct, frozen=True, gc=False):
    """A word as the manifest has it. `start` and `end` are seconds from the clip's beginning; none is checked yet."""

    word: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One clip of a manifest: a file as it is named there, or a part of it (seconds), and what the machine heard.

    `end` is the number of bytes from the manifest's beginning to the end of this line; `subject` is in the clear.
    """

    line: int
    end: int
    audio: str
    offset: float = 0.0
    duration: float | None = None
    text: str = ""
    words: tuple[SpokenWord, ...] = ()
    lang: str | None = None
    subject: str | None = None

    @property
    def source(self) -> str:
        """The corpus's own name of the clip, fit for the store."""
        return clean_name(part_name(self.audio, self.offset, self.duration), most=None)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A line that cannot be used, and why. `audio` is the file it names, as far as that could be read."""

    file: str
    line: int
    end: int
    reason: str
    audio: str | None = None


class NotOurField(ValueError):
    """The field asked for as the subject cannot be one."""


class _Line(msgspec.Struct, gc=False):
    audio_filepath: str | None = None
    audio_filename: str | None = None
    duration: float | None = None
    offset: float | None = None
    text: str | None = None
    pred_text: str | msgspec.UnsetType | None = msgspec.UNSET
    lang: str | None = None
    words: tuple[SpokenWord, ...] | None = None


class _Unusable(Exception):
    """Why a line cannot be used; `names` is the file that it names, if it got that far."""

    def __init__(self, reason: str, *, names: str | None = None, no_object: bool = False) -> None:
        super().__init__(reason)
        self.names = names
        self.no_object = no_object


def read(path: Path, *, subject_field: str | None = None) -> Iterator[Row | Fault]:
    """Each line of a manifest as a `Row` or a `Fault`, in order; blank lines are passed over.

    With `subject_field` every line must say there who speaks. Streams: no more than one line is held. A file that is
    plainly no manifest gives one `Fault` more that says so, and ends.

    Raises `SourceError` when the manifest itself cannot be read, `NotOurField` for a `subject_field` that cannot be
    one.
    """
    decoder = msgspec.json.Decoder(_line_type(subject_field))
    with open_regular(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
        yield from _rows(stream, clean_name(path.name), decoder, subject_field)


def _line_type(subject_field: str | None) -> type[_Line]:
    if subject_field is None:
        return _Line
    refused = NotOurField(f"'{clean_name(subject_field)}' cannot be the field that says who speaks")
    if not subject_field or subject_field in _Line.__struct_fields__:
        raise refused
    fields = [("subject", str | int | None, None)]
    rename = {"subject": subject_field}
    try:
        made = msgspec.defstruct("_LineWithSubject", fields, bases=(_Line,), rename=rename, gc=False)
    except ValueError:  # quotes, backslashes and controls
        raise refused from None
    return cast(type[_Line], made)


def _rows(
    stream: BinaryIO, file: str, decoder: msgspec.json.Decoder[_Line], subject_field: str | None
) -> Iterator[Row | Fault]:
    number = end = 0
    hopeless: int | None = 0  # lines so far that were no objects; None once there was one
    while raw := stream.readline(LONGEST_LINE + 1):
        number += 1
        end += len(raw)
        if number == 1:
            raw = raw.removeprefix(_BOM)
        if hopeless is not None and b"\0" in raw:
            reason = "NUL bytes: this is not a NeMo manifest (JSON Lines in UTF-8)"
            yield Fault(file=file, line=number, end=end, reason=reason)
            return
        if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            end += _skip_line(stream)
            yield Fault(file=file, line=number, end=end, reason=f"longer than {LONGEST_LINE >> 20} MiB")
            continue
        line = raw.strip()
        if not line:
            continue
        try:
            row = _row(_decoded(line, decoder), number, end, subject_field)
            hopeless = None
        except _Unusable as problem:
            names = None if problem.names is None else clean_name(problem.names)
            yield Fault(file=file, line=number, end=end, reason=str(problem), audio=names)
            if not problem.no_object:
                hopeless = None
            elif hopeless is not None:
                hopeless += 1
                if hopeless == _HOPELESS:
                    reason = f"none of the first {number} lines is a JSON object: this is not a NeMo manifest"
                    yield Fault(file=file, line=number, end=end, reason=reason)
                    return
            continue
        yield row


def _skip_line(stream: BinaryIO) -> int:
    """Pass over the rest of a line; how many bytes that were."""
    skipped = 0
    while rest := stream.readline(1 << 20):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped


def _decoded(line: bytes, decoder: msgspec.json.Decoder[_Line]) -> _Line:
    try:
        return decoder.decode(line)
    except msgspec.ValidationError as error:
        if "out of range" not in str(error):
            raise _wrong_field(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # Python writes NaN, Infinity and lone surrogates into what it calls JSON; msgspec is right to refuse them, but the
    # line is good all the same.
    try:
        return msgspec.convert(json.loads(line.decode()), decoder.type)
    except msgspec.ValidationError as error:
        raise _wrong_field(error) from None
    except UnicodeDecodeError as error:
        raise _Unusable(f"not UTF-8 (byte {error.start + 1} of the line)", no_object=True) from None
    except json.JSONDecodeError as error:
        raise _Unusable(f"not JSON: it breaks at character {error.pos + 1} of the line", no_object=True) from None
    except (ValueError, OverflowError):
        raise _Unusable("a number too large for any use") from None
    except RecursionError:
        raise _Unusable("nested too deeply") from None


_TYPES = {
    "str": "text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}

_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`(?: - at `\$\.?(?P<field>.*)`)?")


def _wrong_field(error: msgspec.ValidationError) -> _Unusable:
    """What msgspec says of a field (it never shows the value), in words."""
    match = _EXPECTED.fullmatch(str(error))
    if match is None:
        return _Unusable("a field of the wrong type")
    wanted, got = (
        " or ".join(_TYPES.get(name, name) for name in match[group].split(" | ") if name != "null" or group == "got")
        for group in ("wanted", "got")
    )
    if not match["field"]:
        return _Unusable(f"a line must be {wanted}, this is {got}", no_object=True)
    return _Unusable(f"{clean_name(match['field'])}: must be {wanted}, is {got}")


def _row(line: _Line, number: int, end: int, subject_field: str | None) -> Row:
    audio = line.audio_filepath if line.audio_filepath is not None else line.audio_filename
    if audio is None:
        raise _Unusable("audio_filepath: missing")
    if line.duration is not None and not 0 < line.duration < math.inf:
        raise _Unusable("duration: must be more than 0 seconds", names=audio)
    if line.offset is not None and not 0 <= line.offset < math.inf:
        raise _Unusable("offset: must be 0 seconds or more", names=audio)
    text = (line.text if line.pred_text is msgspec.UNSET else line.pred_text) or ""
    if len(text) > MOST_CHARACTERS:
        raise _Unusable(f"the text has {len(text)} characters: no clip has more than {MOST_CHARACTERS}", names=audio)
    subject = None
    if subject_field is not None:
        given = line.subject  # type: ignore[attr-defined]  # of the type that `_line_type` made
        subject = clean_subject(str(given)) if given is not None else ""
        if not subject:
            raise _Unusable(f"{clean_name(subject_field)}: missing, and it was to say who speaks", names=audio)
    lang = clean(line.lang, most=_MOST_OF_A_LANGUAGE).strip() or None if line.lang else None
    return Row(
        line=number,
        end=end,
        audio=audio,
        offset=line.offset or 0.0,
        duration=line.duration,
        text=text,
        words=line.words or (),
        lang=lang,
        subject=subject,
    )


def hypothesis(row: Row) -> Hypothesis:
    """What the machine heard, cleaned, with its words if they are the words of that text (spaces aside).

    A time that is not finite, negative, or goes backward, and a confidence outside 0 to 1, count as unknown.
    """
    text = clean(row.text).strip()
    words = []
    latest = 0.0
    for spoken in row.words:
        word = clean(spoken.word).strip()
        if not word:
            continue
        start, end = _time(spoken.start), _time(spoken.end)
        if (start is not None and start < latest) or (start is not None and end is not None and end < start):
            start = end = None
        latest = max(latest, start or 0.0)
        sure = spoken.confidence
        words.append(Word(word, start, end, sure if sure is not None and 0.0 <= sure <= 1.0 else None))
    # Without spaces, because there are none between words in Japanese, Chinese or Thai.
    fits = _letters("".join(word.text for word in words)) == _letters(text)
    return Hypothesis(text, tuple(words) if fits else ())


def _time(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0.0 <= seconds < math.inf else None


def _letters(text: str) -> str:
    return "".join(normalised(text).split())


def write(results: Iterable[Result], out: BinaryIO) -> int:
    """Results as a NeMo manifest: `text` is the human text, `pred_text` the machine's. Says how many lines."""
    count = 0
    for result in results:
        line = msgspec.json.encode({name: value for name, value in fields(result).items() if value is not None})
        # JSON lets DEL, C1 and bidi controls stand in a file's name; a terminal may be where this goes.
        out.write(escaped(line.decode()).encode() + b"\n")
        count += 1
    return count


def fields(result: Result) -> dict[str, str | float | int | None]:
    """A result under NeMo's names and a few of our own, in order. `audio_filepath` is the clip's id, or its source."""
    file, offset = split_part(result.source) if result.source is not None else (result.clip, 0.0)
    return {
        "audio_filepath": file,
        "offset": offset or None,
        "duration": round(result.duration, 6),
        "text": None if result.text is None else clean(result.text),
        "pred_text": None if result.machine is None else clean(result.machine),
        "lang": result.lang,
        "clip": result.clip,
        "verdict": result.verdict,
        "reviewer": clean(result.reviewer),
        "revision": result.revision,
        "at": result.at,
        "note": None if result.note is None else clean(result.note),
        "heard": round(result.heard, 3),
        "plays": result.plays,
        "seconds": round(result.seconds, 3),
    }
