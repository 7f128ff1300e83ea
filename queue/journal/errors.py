"""What can go wrong with a journal, in words for people. No message holds any text of a transcript."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


class JournalError(Exception):
    """The journal cannot be used; the message says what happened and what to do."""


class JournalBusy(JournalError):
    """Another Earmark has this journal open."""


class JournalCorrupt(JournalError):
    """A line inside the journal is not what was written. `file`, `line` (from 1) and `reason` say which and why."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(
            f"{file}, line {line}: {reason}. Nothing has been changed; `earmark journal verify` lists every fault: "
            "put the journal's folder back from a backup, or move it away to start a new one"
        )
        self.file = file
        self.line = line
        self.reason = reason


class NotSaved(JournalError):
    """What was given is not in the journal, and the journal takes nothing more until it is opened again."""


class EntryRefused(NotSaved):
    """The entry cannot be written as it is. The journal is as it was and takes others."""


_WORDS = {
    errno.ENOSPC: "the disk is full: make room on it",
    errno.EFBIG: "the file may not grow any more: raise the limit on file sizes (ulimit -f)",
    errno.EIO: "the disk reports an error: copy the journal's folder to another disk and have this one looked at",
    errno.EROFS: "the disk is read-only: make it writable",
    errno.EACCES: "no permission: the journal's folder must belong to you",
    errno.EPERM: "no permission: the journal's folder must belong to you",
    errno.ELOOP: "a link stands where a file of the journal should: remove the link",
}
if hasattr(errno, "EDQUOT"):
    _WORDS[errno.EDQUOT] = "your share of the disk (quota) is used up: make room"


def reason_of(error: OSError) -> str:
    """What the system said, and what to do, without the name of anything but the journal's own file."""
    code = error.errno or 0
    words = _WORDS.get(code, os.strerror(code) if code else "the system gave no reason")
    return f"{words} ({errno.errorcode.get(code, 'error')})"


@contextmanager
def reading() -> Iterator[None]:
    """Say what hinders reading in the words of `JournalError`."""
    try:
        yield
    except OSError as error:
        raise JournalError(f"the journal cannot be read: {reason_of(error)}") from error
