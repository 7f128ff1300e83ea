"""Results as a table for spreadsheets: CSV after RFC 4180 with the columns of the NeMo manifest.

In UTF-8 with a byte order mark, because Excel takes a file without one for the local code page; who wants to compute
with results takes the manifest. A cell that a spreadsheet would run as a formula gets an apostrophe in front of it
(OWASP, "CSV Injection").
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import BinaryIO

from earmark.queue.formats.nemo import fields
from earmark.queue.store.interface import Result
from earmark.queue.text import escaped

COLUMNS = (
    "audio_filepath",
    "offset",
    "duration",
    "text",
    "pred_text",
    "lang",
    "clip",
    "verdict",
    "reviewer",
    "revision",
    "at",
    "note",
    "heard",
    "plays",
    "seconds",
)

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write(results: Iterable[Result], out: BinaryIO) -> int:
    """A header and one line a result. Says how many results."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        text.write("\ufeff")
        table = csv.writer(text, lineterminator="\r\n")
        table.writerow(COLUMNS)
        count = 0
        for result in results:
            table.writerow([_cell(value) for value in fields(result).values()])
            count += 1
        return count
    finally:
        text.detach()


def _cell(value: str | float | int | None) -> str | float | int | None:
    if not isinstance(value, str):
        return value
    # Texts are clean by now; the corpus's own file names are as they are.
    shown = escaped(value)
    return f"'{shown}" if value.lstrip(" ").startswith(_STARTS_A_FORMULA) else shown
