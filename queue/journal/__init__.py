"""The journal: the durable, append-only file of one reviewer's decisions for one store.

`writer` has the open journal, and `readable` what it can be asked for; `line` has the format of a line, `segments` the
files, `erasing` and `fork` the two rewrites, `retiring` the retention rule's share of them; `verify` and `reading` have
what needs no lock.
"""

from __future__ import annotations

from earmark.queue.journal.erasing import SetAside
from earmark.queue.journal.errors import EntryRefused, JournalBusy, JournalCorrupt, JournalError, NotSaved
from earmark.queue.journal.lock import locked
from earmark.queue.journal.writer import Journal

__all__ = ["EntryRefused", "Journal", "JournalBusy", "JournalCorrupt", "JournalError", "NotSaved", "SetAside", "locked"]
