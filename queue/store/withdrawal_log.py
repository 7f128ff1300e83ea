"""The log of withdrawals outside a team's database: one small object each, beside the audio, never taken away.

A database that is restored from an older dump has forgotten the last withdrawals; the log has not. Objects are named by
their number, from 1 without a gap, so that one question tells whether the log knows of more than the database: is there
an object of the next number? Number 0 says which store this log is of: an empty folder, such as one that is not
mounted, is no log without withdrawals. What is written are ids, keyed pseudonyms and times.
"""

from __future__ import annotations

import contextlib
import secrets

import msgspec

from earmark.queue.store.audio_objects import Objects
from earmark.queue.store.interface import StoreError

FOLDER = "withdrawals"
"""The folder, or prefix, beneath the place of the audio."""


class Logged(msgspec.Struct, frozen=True):
    """A withdrawal: its number, when it was (Unix seconds), which clips went, and, where a person took them back, that
    person's pseudonym in hex.
    """

    number: int
    at: float
    clips: tuple[str, ...]
    subject: str | None = None


class _Start(msgspec.Struct, frozen=True):
    """What number 0 holds: the id of the store."""

    store: str


class WithdrawalLog:
    """The log of the store `store`, in objects of its own. Methods raise `OSError` as the objects do."""

    def __init__(self, objects: Objects, store: str) -> None:
        self._objects = objects
        self._store = store

    def start(self) -> None:
        """Begin the log where there is none. Raises `StoreError` where another store's lies."""
        if not self.is_here():
            self._objects.put(_name(0), msgspec.json.encode(_Start(self._store)))

    def try_out(self) -> None:
        """Whether a log could begin here, without beginning it."""
        name = f"{_name(0)}-{secrets.token_hex(8)}"
        self._objects.put(name, b"")
        # Where nothing can be taken away, one small object more does no harm.
        with contextlib.suppress(OSError):
            self._objects.remove([name])

    def is_here(self) -> bool:
        """Whether this store's log lies here. Raises `StoreError` where it is another store's, or damaged."""
        try:
            start = msgspec.json.decode(self._objects.read(_name(0)), type=_Start)
        except FileNotFoundError:
            return False
        except msgspec.DecodeError:
            raise StoreError("the log of withdrawals is damaged: bring its first object back from a copy") from None
        if start.store != self._store:
            raise StoreError(
                "the log of withdrawals beside the audio is another store's: each needs a place of its own"
            )
        return True

    def has(self, number: int) -> bool:
        """Whether a withdrawal of that number is in the log."""
        return self._objects.has(_name(number))

    def read(self, number: int) -> Logged | None:
        """The withdrawal of that number; None where there is none. Raises `StoreError` for a damaged one."""
        try:
            logged = msgspec.json.decode(self._objects.read(_name(number)), type=Logged)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            raise StoreError(f"withdrawal {number} in the log is damaged: bring that object back from a copy") from None
        return logged

    def append(self, logged: Logged) -> bool:
        """Write a withdrawal down, durable when this returns; False, and nothing is written, where another one has its
        number: the log knows more than whoever asks.
        """
        there = self.read(logged.number)
        if there is None:
            self._objects.put(_name(logged.number), msgspec.json.encode(logged))
        return there in (None, logged)


def open_log(audio: str, store: str) -> WithdrawalLog:
    """The log beside the audio at the URL `audio`. Raises `StoreError`."""
    from earmark.queue.store.audio_objects import open_objects

    return WithdrawalLog(open_objects(f"{audio.rstrip('/')}/{FOLDER}"), store)


def _name(number: int) -> str:
    return f"{number:012}"
