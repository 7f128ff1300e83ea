"""Where a manifest's audio may lie, and how a file that a stranger named is opened."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_PART = re.compile(r"(?P<name>.*)#t=(?P<start>[0-9]+(\.[0-9]+)?)(,[0-9]+(\.[0-9]+)?)?", re.DOTALL)
_LONGEST_PATH = 4096
_REMEMBERED = 4096


class SourceError(Exception):
    """A file that is not taken; the message says why, and does not name the file."""


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[int]:
    """A file descriptor, open for reading, on a regular file; closed at the end.

    Raises `SourceError` at once for a FIFO, a device or a folder: opening a FIFO would wait for ever, and opening
    a device can do something.
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise SourceError("not a regular file")
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise SourceError(reason(error)) from None
    try:
        # Asked again of what was really opened: the name may point elsewhere by now.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceError("not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def reason(error: OSError | ValueError) -> str:
    """Why a file could not be had, in words and without its name."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "not readable: permission denied"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return "not a name that a file can have"


class Finder:
    """Finds the files that a manifest names, and only under the folders where they may be.

    A name counts from the manifest's folder. It may be absolute, climb, or lead over links, as long as the file
    itself lies under the manifest's folder, the one above it (`../audio/x.flac` is common; not where that is the root
    of the file system or holds the home folders), or one of `roots`: a manifest can come from a stranger, and must not
    fetch private files. Keeps what it knows of folders, so that a million names cost one
    look each.
    """

    def __init__(self, manifest: Path, roots: Iterable[Path] | None = None) -> None:
        base = manifest.parent.resolve()
        given = [*_default_roots(base), *(root.resolve() for root in roots or ())]
        self._base = str(base)
        self._roots = tuple(str(root).rstrip(os.sep) + os.sep for root in given)
        self._folders: dict[str, str] = {}
        self._last: tuple[str, str] | None = None

    def find(self, name: str) -> str:
        """The path of the regular file that `name` means. Raises `SourceError`."""
        if self._last is not None and self._last[0] == name:  # parts of one recording follow each other
            return self._last[1]
        _check_name(name)
        try:
            path = self._resolve(os.path.join(self._base, name))  # noqa: PTH118  # a million times: Path is slow
        except (OSError, ValueError) as error:
            raise SourceError(reason(error)) from None
        self._last = name, path
        return path

    def _resolve(self, path: str) -> str:
        folder, file = os.path.split(path)
        real = self._folders.get(folder)
        if real is None:
            real = os.path.realpath(folder, strict=True)
            if len(self._folders) >= _REMEMBERED:
                self._folders.clear()
            self._folders[folder] = real
        path = os.path.realpath(path, strict=True) if file in ("", ".", "..") else f"{real}{os.sep}{file}"
        self._check_inside(path)
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            path = os.path.realpath(path, strict=True)
            self._check_inside(path)
            mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode):
            raise SourceError("a folder, not a file" if stat.S_ISDIR(mode) else "not a regular file")
        return path

    def _check_inside(self, path: str) -> None:
        if not path.startswith(self._roots):
            raise SourceError("lies outside the manifest's folders; allow its folder with --root")


def _default_roots(base: Path) -> list[Path]:
    above = base.parent
    if above == Path(base.anchor) or above == Path.home().resolve().parent:
        return [base]
    return [base, above]


def _check_name(name: str) -> None:
    if name.strip() in ("", ".", ".."):
        raise SourceError("no file is named")
    if len(name) > _LONGEST_PATH:
        raise SourceError("the file's name is too long")
    if _URL.match(name):
        raise SourceError("a URL: Earmark fetches nothing; give a file")
    if name.startswith("|") or name.rstrip().endswith("|"):
        raise SourceError("a shell command: Earmark runs nothing; give a file")
    if os.name != "nt" and _DRIVE.match(name):
        raise SourceError("a Windows path: give one that counts from the manifest's folder")


def part_name(name: str, offset: float, duration: float | None) -> str:
    """How a file, or the part of it from `offset` (seconds) on, is named in the store: `x.wav`, `x.wav#t=5.5,8.25`.

    The ending is that of the W3C's Media Fragments. A whole file whose own name ends so gets one too, to stay apart.
    """
    if not offset and not _PART.fullmatch(name):
        return name
    end = "" if duration is None else f",{_seconds(offset + duration)}"
    return f"{name}#t={_seconds(offset)}{end}"


def split_part(source: str) -> tuple[str, float]:
    """The file's name and the offset in seconds, the inverse of `part_name`."""
    match = _PART.fullmatch(source)
    return (match["name"], float(match["start"])) if match else (source, 0.0)


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
