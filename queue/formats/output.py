"""Where results are written: a file that is there whole or not at all, or standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from earmark.queue.files import sync_folder
from earmark.queue.store.interface import Result


def write_results(results: Iterable[Result], target: str) -> int:
    """Results into the file `target`: CSV if its name ends so, else a NeMo manifest; `-` is standard output.

    Says how many results. Raises `OSError`; an older file of that name is then untouched.
    """
    from earmark.queue.formats import nemo, table

    write = table.write if target.lower().endswith(".csv") else nemo.write
    with _opened(target) as out:
        return write(results, out)


@contextmanager
def _opened(target: str) -> Iterator[BinaryIO]:
    if target == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # Through a link to what it points at; else the link would be replaced by the file.
    path = Path(os.path.realpath(target))
    if path.exists() and not path.is_file():  # a device or a pipe cannot be replaced
        with path.open("wb") as out:
            yield out
        return
    # mkstemp gives mode 0600: results are for whoever exported them.
    try:
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path.parent)) from None
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
