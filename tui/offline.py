"""Batches that were checked out on this machine, as commands and screen meet them: found, opened, told about."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from earmark.queue.journal import Journal, JournalError
from earmark.queue.journal.reading import last_told
from earmark.queue.journal.sealing import PayloadSeal
from earmark.queue.offline.batch_file import BatchFolder, batches_in
from earmark.queue.offline.clock import read_clocks
from earmark.queue.offline.keys import (
    SHORTEST,
    ByKeyFile,
    KeyTrouble,
    Lock,
    lock_by_key_file,
    new_passphrase_lock,
    unlock_by_key_file,
    wrapping_key,
)
from earmark.queue.stamp import seconds_of
from earmark.tui.commands.common import journal_folder, plural
from earmark.tui.version import VERSION

if TYPE_CHECKING:
    from earmark.queue.offline.store import OfflineStore
    from earmark.tui.settings import Settings

TRIES = 3


def find(settings: Settings) -> BatchFolder | None:
    """The batch for the store and reviewer of the settings; None where there is none.

    Whatever batch has run out is shredded, with words. Raises `BatchError` for one that cannot be read, and where the
    settings do not say which of several reviewers is meant.
    """
    now = read_clocks()
    found: list[BatchFolder] = []
    for batch in batches_in(settings.home_path):
        header = batch.header
        journal = journal_folder(theirs(settings, batch), header.store)
        if min(batch.left(now), header.expires - _last_entry(journal)) <= 0:
            batch.shred()
            click.echo(
                f"The clips that {header.reviewer} had checked out from {header.url} were leased until "
                f"{clock_words(header.expires)}: they have been destroyed here. What was decided is safe in the "
                "journal, and `earmark sync` sends it.",
                err=True,
            )
        elif header.url == name_of(settings.store_url) and header.reviewer == _expected(settings, header.reviewer):
            found.append(batch)
    if len(found) > 1:
        names = " and ".join(sorted(batch.header.reviewer for batch in found))
        raise click.ClickException(f"{names} have clips of {settings.store_url} here: name one with --reviewer.")
    return found[0] if found else None


def name_of(url: str) -> str:
    """A store's URL as a batch keeps it: without a password, should there be one in it."""
    scheme, found, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    return f"{scheme}{found}{user.partition(':')[0]}{at}{host}{slash}{path}"


def theirs(settings: Settings, batch: BatchFolder) -> Settings:
    """The settings with the batch's reviewer."""
    return msgspec.structs.replace(settings, reviewer=batch.header.reviewer)


def _expected(settings: Settings, known: str) -> str:
    """In whose name the settings come. Who names nobody learns it from the store, and offline from the batch; a folder
    of one's own knows nobody.
    """
    if settings.reviewer is None and not settings.store_url.startswith("sqlite://"):
        return known
    return settings.reviewer_name


def _last_entry(journal: Path) -> float:
    """When the last line of the journal was written, by the clock of then (Unix seconds); 0 where that is not known."""
    try:
        return seconds_of(last_told(journal))
    except (JournalError, OSError):
        return 0.0  # whoever opens the journal says what is wrong with it


# -- keys ------------------------------------------------------------------------------------------------------------


def key_to(batch: BatchFolder, key_file: Path | None = None) -> bytes:
    """The batch's key, opened with its key file, or with a passphrase that is asked for. Raises `KeyTrouble`."""
    lock = batch.header.lock
    if isinstance(lock, ByKeyFile):
        return batch.open_key(unlock_by_key_file(lock, key_file))
    if key_file is not None:
        raise KeyTrouble("the batch is under a passphrase, not under a key file: leave --key out")
    for left in reversed(range(TRIES)):
        try:
            return batch.open_key(wrapping_key(lock, asked("Passphrase of the batch")))
        except KeyTrouble:
            if not left or not sys.stdin.isatty():
                break
            click.echo("That passphrase does not open the batch.", err=True)
    raise KeyTrouble(
        "that passphrase does not open the batch. If it is forgotten: `earmark checkin` needs none, sends what was "
        "decided and gives the clips back"
    )


def new_lock(key_file: Path | None) -> tuple[Lock, bytes]:
    """How a new batch is locked, and the wrapping key: by a key file, or by a passphrase that is asked for twice.

    Raises `KeyTrouble`.
    """
    if key_file is not None:
        return lock_by_key_file(key_file)
    for _ in range(TRIES):
        passphrase = asked(f"A passphrase for the batch, of {SHORTEST} characters or more")
        if len(passphrase) < SHORTEST:
            click.echo(f"That has {plural(len(passphrase), 'character')}; five or six random words are good.", err=True)
        elif sys.stdin.isatty() and asked("The same again") != passphrase:
            click.echo("Those were not the same.", err=True)
        else:
            lock = new_passphrase_lock()
            return lock, wrapping_key(lock, passphrase)
        if not sys.stdin.isatty():
            break
    raise KeyTrouble("nothing was checked out: there is no passphrase")


def asked(words: str) -> str:
    """What somebody types without its being shown; without a terminal, a line of standard input."""
    if sys.stdin.isatty():
        import getpass

        try:
            # Not click's: that shows the prompt before it stops what is typed from being shown.
            return getpass.getpass(f"{words}: ")
        except EOFError:
            raise click.Abort from None
    return sys.stdin.readline().rstrip("\r\n")


# -- a sitting -------------------------------------------------------------------------------------------------------


def open_offline(batch: BatchFolder, settings: Settings, key_file: Path | None) -> tuple[OfflineStore, Journal]:
    """The batch as a store, and the journal, which seals and can read what it sealed. Raises `StoreError`,
    `JournalError`.
    """
    from earmark.queue.offline.store import OfflineStore

    key = key_to(batch, key_file)
    folder = journal_folder(settings, batch.header.store)
    journal = Journal.open(folder, settings.reviewer_name, app=VERSION, seal=PayloadSeal(batch.header.public_key, key))
    try:
        batch.note(read_clocks(), _last_entry(folder))
        return OfflineStore(batch, key, journal.latest), journal
    except BaseException:
        journal.close()
        raise


# -- words -----------------------------------------------------------------------------------------------------------


def clock_words(when: float) -> str:
    """A time (Unix seconds) as the clock on the wall has it."""
    return time.strftime("%a %d %b %H:%M", time.localtime(when))


def short_words(when: float) -> str:
    """The same for the status line: the day of the week where that is clear, else the date."""
    near = when - time.time() < 6 * 86400
    return time.strftime("%a %H:%M" if near else "%d %b", time.localtime(when))


def unsent(batch: BatchFolder, device: str, seq: int) -> int:
    """How many lines of a journal the store had not got at the last contact."""
    return max(0, seq - (batch.seen.arrived if batch.seen.device == device else 0))


def told(batch: BatchFolder) -> str:
    """What is in the batch, and until when."""
    held, planned = len(batch.held()), len(batch.plan.slots)
    return f"{plural(held, 'clip')} checked out until {clock_words(batch.header.expires)}" + (
        f"; {planned - held:,} more are not here yet or were destroyed" if planned > held else ""
    )
