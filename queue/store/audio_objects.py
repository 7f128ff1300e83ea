"""Where a team's sealed audio lies: a folder, or object storage. Names are opaque; nothing here can open anything."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from earmark.queue.store.interface import StoreError

REMOTE = ("s3", "s3a", "gs", "az", "azure")


class Objects(Protocol):
    """Sealed audio by name. Methods raise `OSError` when the system or the storage refuses."""

    def put(self, name: str, data: bytes) -> None:
        """Keep `data`, durable when this returns. A name is used once."""
        ...

    def read(self, name: str) -> bytes:
        """What was put. Raises `FileNotFoundError`."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is an object of that name."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, durably; those that are gone already are passed over."""
        ...


def open_objects(url: str) -> Objects:
    """The objects at `file:///FOLDER` (made when missing) or `s3://BUCKET/PREFIX`, whose credentials are in the
    environment. Raises `StoreError`.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        return FolderObjects(Path(unquote(parts.path)))
    if parts.scheme in REMOTE and parts.netloc:
        from earmark.queue.store.audio_remote import RemoteObjects

        return RemoteObjects(url)
    raise StoreError(f"'{url}' is no place for audio; write file:///FOLDER or s3://BUCKET/PREFIX")


class FolderObjects:
    """Objects in a folder of this machine, or one that is mounted. Raises `StoreError` when it cannot be used."""

    def __init__(self, root: Path) -> None:
        from earmark.queue.store.objects import AudioObjects

        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            self._objects = AudioObjects(root)
        except OSError as error:
            raise StoreError(f"{root}: no audio can be kept here: {error.strerror}") from None

    def put(self, name: str, data: bytes) -> None:
        self._objects.place([(self._objects.stage(data), name)])

    def read(self, name: str) -> bytes:
        return self._objects.read(name)

    def has(self, name: str) -> bool:
        return self._objects.has(name)

    def remove(self, names: Iterable[str]) -> None:
        self._objects.remove(names)
