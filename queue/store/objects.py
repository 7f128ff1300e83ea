"""The folder of a store's sealed audio: one file a clip, named by its opaque id, in 256 subfolders.

A file is staged first (written under another name and made durable) and placed later (renamed), so that a place either
holds a whole object or none.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from earmark.queue.files import sync_folder

_STAGING = "incoming"
_STALE_SECONDS = 24 * 3600.0


class AudioObjects:
    """Sealed audio under `root` (mode 0700, made when missing). Raises `OSError` as the system does."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / _STAGING
        for folder in (root, self._staging):
            folder.mkdir(mode=0o700, exist_ok=True)

    def stage(self, data: bytes) -> Path:
        """Write `data` durably beside the objects; `place` gives it its name."""
        path = self._staging / secrets.token_hex(16)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def place(self, staged: Iterable[tuple[Path, str]]) -> None:
        """Give staged files their clips' ids as names, durably. An object that is there already is replaced."""
        touched = set()
        for path, name in staged:
            target = self._path(name)
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                touched.add(self._root)
            path.replace(target)
            touched.add(target.parent)
        for folder in touched:
            sync_folder(folder)

    def read(self, name: str) -> bytes:
        """The sealed bytes of a clip. Raises `FileNotFoundError`."""
        return self._path(name).read_bytes()

    def has(self, name: str) -> bool:
        """Whether there is such an object. What cannot be looked at is an error, not an absence."""
        try:
            self._path(name).stat()
        except FileNotFoundError:
            # In a folder that is gone, such as one that is no longer mounted, nothing can be seen to be absent.
            self._staging.stat()
            return False
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Unlink objects, durably; those that are gone already are passed over."""
        touched = set()
        for name in names:
            path = self._path(name)
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                touched.add(path.parent)
        for folder in touched:
            sync_folder(folder)

    def sweep(self) -> None:
        """Remove what a killed `stage` left behind: staged files older than a day. Nobody holds their keys."""
        oldest = time.time() - _STALE_SECONDS
        for path in self._staging.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _path(self, name: str) -> Path:
        return self._root / name[:2] / name
