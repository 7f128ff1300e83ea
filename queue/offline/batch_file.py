"""A checked-out batch on the disk: a folder (0700) whose files (0600) say nothing to whoever has no key.

    batch.json      whose it is, of which store, until when, and the batch's key under the wrapping key
    plan.json       which clips belong to it, under which lease
    seen.json       what is known of time, and how far the journal had arrived at the last contact
    clips/ID.clip   a clip, sealed under the batch's key: length (four bytes, big-endian) of the sealed lease, the
                    sealed lease with text and waveform, the sealed FLAC

All but the sound, the text and the waveform can be read without a key: so results can be sent, and leases given back,
when the key is gone. Everything in `batch.json` is bound to the wrapped key, which opens no more when a byte of it is
another.

The folder is made under another name and renamed when it is whole. It ends with `batch.json`: without that nothing in
it can ever be opened again, and whoever finds such a folder clears it away.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from earmark.queue import files
from earmark.queue.offline.clock import Clocks, Evidence, seen, surely
from earmark.queue.offline.keys import KeyTrouble, Lock
from earmark.queue.seal import NotSealed, new_key, seal, unseal
from earmark.queue.store.interface import Leased, StoreError

FORMAT = 1
HEADER, PLAN, SEEN, CLIPS = "batch.json", "plan.json", "seen.json", "clips"
_BUILDING = ".new-"
_LENGTH = struct.Struct(">I")
_ID = re.compile(r"[0-9A-Za-z_.-]{1,64}\Z")
_KEY = b"earmark batch key\0"
_LEASE = b"earmark lease\0"
_SOUND = b"earmark sound\0"

Read = TypeVar("Read")


class BatchError(StoreError):
    """A batch cannot be made, read or kept; the message says what happened and what to do."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """`expires` is in Unix seconds of the store's clock, `contact` what was known of time when it was checked out.

    `store` is the store's own name and `url` how it was reached; `public_key` is the store's. `key` is the batch's key,
    sealed under the one to which `lock` leads.
    """

    format: int = FORMAT
    store: str
    url: str
    reviewer: str
    public_key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    expires: float
    contact: Evidence
    lock: Lock
    key: bytes = b""

    def bound(self) -> bytes:
        """What the wrapped key is bound to: everything else."""
        return _KEY + msgspec.json.encode(msgspec.structs.replace(self, key=b""))


class Slot(msgspec.Struct, frozen=True):
    """A clip of the batch, and the lease under which it is decided."""

    clip: str
    lease: str


class Plan(msgspec.Struct, frozen=True):
    """The clips in their order, and the language that was asked for."""

    slots: tuple[Slot, ...] = ()
    lang: str | None = None


class Seen(msgspec.Struct, frozen=True):
    """What is known of time; when the store was last reached (Unix seconds); how many lines of the journal of `device`
    it had then.
    """

    time: Evidence
    contact: float
    device: str = ""
    arrived: int = 0


class BatchFolder:
    """A batch in `folder`. Whoever changes it holds the lock of the journal for the same store and reviewer."""

    def __init__(self, folder: Path, header: Header) -> None:
        """Use `open_batch` or `make_batch`."""
        self.folder = folder
        self.header = header
        self.plan = _read(folder / PLAN, Plan) or Plan()
        self.seen = _read(folder / SEEN, Seen) or Seen(header.contact, header.contact.at)

    # -- time --------------------------------------------------------------------------------------------------------

    def left(self, now: Clocks) -> float:
        """Seconds until the leases run out, at most; none or less when they have surely run out."""
        # What was known at the checkout is bound to the key; what was seen since may have been changed or removed.
        return self.header.expires - max(surely(self.seen.time, now), surely(self.header.contact, now))

    def note(self, now: Clocks, at_least: float = 0.0) -> None:
        """Remember, durably, what the clocks say: who sets them back later gains nothing. Raises `BatchError`."""
        self._note(msgspec.structs.replace(self.seen, time=seen(self.seen.time, now, at_least)))

    def note_contact(self, now: Clocks, device: str, arrived: int) -> None:
        """Remember, durably, that the store was reached, and how far the journal has arrived. Raises `BatchError`."""
        known = seen(self.seen.time, now)
        self._note(Seen(known, known.at, device, arrived))

    def _note(self, what: Seen) -> None:
        self.seen = what
        with told(self.folder):
            files.replace(self.folder / SEEN, msgspec.json.encode(what))

    # -- clips -------------------------------------------------------------------------------------------------------

    def path(self, clip: str) -> Path:
        """Where a clip lies."""
        if not _ID.match(clip):  # it comes from a store or a file, and becomes a file's name
            raise BatchError("the batch names a clip that cannot be one")
        return self.folder / CLIPS / f"{clip}.clip"

    def has(self, clip: str) -> bool:
        """Whether the clip is here, whole."""
        return self.path(clip).exists()

    def held(self) -> list[Slot]:
        """The clips that are here, in order."""
        return [slot for slot in self.plan.slots if self.has(slot.clip)]

    def set_plan(self, plan: Plan) -> None:
        """Say durably which clips belong to the batch. Raises `BatchError`."""
        with told(self.folder):
            files.replace(self.folder / PLAN, msgspec.json.encode(plan))
        self.plan = plan

    def keep(self, key: bytes, leased: Leased, audio: bytes) -> None:
        """Keep a clip, sealed and durable. Raises `BatchError`."""
        clip = leased.clip.id.encode()
        lease = seal(key, msgspec.msgpack.encode(leased), _LEASE + clip)
        self.put(leased.clip.id, _LENGTH.pack(len(lease)) + lease + seal(key, audio, _SOUND + clip))

    def put(self, clip: str, sealed: bytes) -> None:
        """Keep the sealed bytes of a clip, durably. Raises `BatchError`."""
        with told(self.folder):
            files.replace(self.path(clip), sealed)

    def sealed(self, clip: str) -> bytes | None:
        """The sealed bytes of a clip; None where it is not here. Raises `BatchError`."""
        with told(self.folder), contextlib.suppress(FileNotFoundError):
            return files.read(self.path(clip))
        return None

    def lease_of(self, key: bytes, clip: str) -> Leased | None:
        """A clip with its text, without reading its sound; None where it is not here. Raises `BatchError`."""
        with told(self.folder):
            try:
                fd = files.open_file(self.path(clip), os.O_RDONLY)
            except FileNotFoundError:
                return None
            with os.fdopen(fd, "rb") as file:
                head = file.read(_LENGTH.size)
                sealed = file.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
        try:
            return msgspec.msgpack.decode(unseal(key, sealed, _LEASE + clip.encode()), type=Leased)
        except (NotSealed, msgspec.DecodeError, UnicodeDecodeError):
            raise BatchError(_damaged(clip)) from None

    def remove(self, clips: Iterable[str]) -> int:
        """Destroy clips, durably, and take them out of the plan; says how many were here. Raises `BatchError`."""
        named = {slot.clip for slot in self.plan.slots} & set(clips)
        count = sum(self.destroy(clip) for clip in sorted(named))
        if named:
            kept = tuple(slot for slot in self.plan.slots if slot.clip not in named)
            self.set_plan(Plan(kept, self.plan.lang))
        return count

    def destroy(self, clip: str) -> bool:
        """Destroy what is here of a clip, durably; says whether there was anything. Raises `BatchError`."""
        path = self.path(clip)
        with told(self.folder):
            there = path.exists()
            if there:
                files.remove(path)
            return there

    # -- the key and the end -----------------------------------------------------------------------------------------

    def open_key(self, wrapping: bytes) -> bytes:
        """The batch's key. Raises `KeyTrouble` for another wrapping key, and for a header that was changed."""
        try:
            return unseal(wrapping, self.header.key, self.header.bound())
        except NotSealed:
            raise KeyTrouble("that does not open the batch") from None

    def shred(self) -> None:
        """Destroy the batch, its key first, durably; done again from any point, it goes on. Raises `BatchError`."""
        with told(self.folder):
            _clear(self.folder)


def sound_in(sealed: bytes, key: bytes, clip: str) -> bytes:
    """The FLAC in the sealed bytes of a clip. Raises `BatchError`."""
    try:
        (length,) = _LENGTH.unpack_from(sealed)
        return unseal(key, sealed[_LENGTH.size + length :], _SOUND + clip.encode())
    except (NotSealed, struct.error):
        raise BatchError(_damaged(clip)) from None


def _damaged(clip: str) -> str:
    return f"clip {clip} of the batch is damaged: check the batch in, and out again"


def make_batch(folder: Path, header: Header, wrapping: bytes, plan: Plan, now: Clocks) -> tuple[BatchFolder, bytes]:
    """Make a batch in `folder`, durably, with a fresh key, which is returned too. Raises `BatchError`."""
    key = new_key()
    header = msgspec.structs.replace(header, key=seal(wrapping, key, header.bound()))
    with told(folder):
        files.make_folder(folder.parent)
        for stray in folder.parent.glob(f"{_BUILDING}{folder.name}-*"):
            _clear(stray)
        aside = folder.with_name(f"{_BUILDING}{folder.name}-{secrets.token_hex(4)}")
        aside.mkdir(mode=0o700)
        (aside / CLIPS).mkdir(mode=0o700)
        for name, what in ((PLAN, plan), (SEEN, Seen(header.contact, header.contact.at)), (HEADER, header)):
            files.create(aside / name, msgspec.json.encode(what))
        files.sync_folder(aside)
        aside.rename(folder)
        files.sync_folder(folder.parent)
    batch = BatchFolder(folder, header)
    batch.note(now)
    return batch, key


def open_batch(folder: Path) -> BatchFolder | None:
    """The batch in a folder; None where none is. Raises `BatchError` for one that cannot be read."""
    header = _read(folder / HEADER, Header)
    if header is None:
        return None
    if header.format != FORMAT:
        raise BatchError(
            f"{folder}: made by another version of Earmark (format {header.format}): check it in with that"
        )
    return BatchFolder(folder, header)


def batches_in(home: Path) -> Iterator[BatchFolder]:
    """The batches in the home folder. What is left of one whose end was cut short is cleared away. Raises
    `BatchError`.
    """
    for folder in sorted((home / "batches").iterdir()) if (home / "batches").is_dir() else []:
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        batch = open_batch(folder)
        if batch is not None:
            yield batch
        else:
            with told(folder):
                _clear(folder)


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """Say errors of the file system in the words of `BatchError`."""
    try:
        yield
    except OSError as error:
        raise BatchError(f"the batch in {folder}: {error.strerror or type(error).__name__}") from error


def _read(path: Path, kind: type[Read]) -> Read | None:
    with told(path.parent):
        try:
            data = files.read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BatchError(f"{path} is damaged: remove its folder; what you decided is safe in the journal") from None


def _clear(folder: Path) -> None:
    files.remove(folder / HEADER)  # with the key in it the rest is noise
    for inner in (folder / CLIPS, folder):
        if inner.is_dir():
            for path in list(inner.iterdir()):
                if not path.is_dir():
                    files.remove(path)
            inner.rmdir()
    files.sync_folder(folder.parent)
