"""A laptop that clips are checked out to, with clocks that a test sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.queue.decision import HAS_TEXT, Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.journal.sealing import PayloadSeal
from earmark.queue.offline import checkout
from earmark.queue.offline.batch_file import BatchFolder, open_batch
from earmark.queue.offline.checkout import Wanted
from earmark.queue.offline.clock import Clocks
from earmark.queue.offline.keys import ByPassphrase, wrapping_key
from earmark.queue.offline.store import OfflineStore
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.sqlite import SqliteStore

DAY = 86400.0
PASSPHRASE = "correct horse battery staple"
LOCK = ByPassphrase(b"0123456789abcdef", n=1 << 14)
"""The cheapest lock that is allowed."""

WRAPPING = wrapping_key(LOCK, PASSPHRASE)
STEPS = ("write", "fsync", "replace", "rename", "unlink", "rmdir", "mkdir")


class Crash(BaseException):
    """The process ends here. No code of ours catches it."""


class Machine:
    """A laptop with its clocks and its home; `store` is what it reaches."""

    def __init__(self, home: Path, store: SqliteStore, clock: Any) -> None:
        self.home = home
        self.store: Any = store
        self.clock = clock
        self.ahead = 0.0
        """Seconds by which its wall clock is wrong."""

        self.boot = "boot 1"
        self.started = clock.now - 1000

    def clocks(self) -> Clocks:
        return Clocks(self.clock.now + self.ahead, self.clock.now - self.started, self.boot, "machine")

    def restart(self) -> None:
        self.boot += "'"
        self.started = self.clock.now

    @property
    def place(self) -> Path:
        return self.home / "batches" / "mine"

    def checkout(self, count: int, days: float = 3.0, **given: Any) -> tuple[BatchFolder, bytes]:
        """As the command does it: begin, or go on."""
        batch, wanted = open_batch(self.place), Wanted(count, days * DAY, **given)
        if batch is None:
            batch, key, leased = checkout.begin(
                self.store, self.place, "url", "anna", wanted, LOCK, WRAPPING, self.clocks()
            )
        else:
            key = batch.open_key(WRAPPING)
            leased = checkout.go_on(self.store, batch, wanted, self.clocks())
        checkout.fetch(self.store, batch, key, leased)
        return batch, key

    def journal(self, key: bytes | None = None) -> Journal:
        batch = open_batch(self.place)
        seal = PayloadSeal(batch.header.public_key, key) if batch is not None and key is not None else None
        return Journal.open(self.home / "journal", "anna", app="t", seal=seal)

    def sit_down(self, key: bytes) -> tuple[OfflineStore, Journal]:
        batch, journal = open_batch(self.place), self.journal(key)
        assert batch is not None
        return OfflineStore(batch, key, journal.latest, self.clocks), journal


def decide(clip: str, verdict: str, text: str | None = "a secret text", **more: Any) -> Decision:
    kind = Verdict(verdict)
    fields = {"id": new_id(), "at": told_time(), "reviewer": "anna", "shown": "machine"} | more
    return Decision(clip=clip, verdict=kind, text=text if kind in HAS_TEXT else None, **fields)
