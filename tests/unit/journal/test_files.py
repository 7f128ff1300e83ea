"""Files replaced while they are read; what a failed replacement leaves; what a child must not get."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from earmark.queue import files


def test_a_file_replaced_while_it_is_read_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.create(path, b"old" * 1000)
    real = files.open_file
    replaced = False

    def slow(path: Path, flags: int) -> int:
        nonlocal replaced
        fd = real(path, flags)
        if not replaced:
            replaced = True
            files.replace(path, b"new")
        return fd

    monkeypatch.setattr(files, "open_file", slow)
    assert files.read(path) == b"new"


def test_a_failed_replacement_leaves_the_old_file_and_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.create(path, b"old")

    def full(fd: int, data: bytes) -> None:
        raise OSError(28, "no")

    monkeypatch.setattr(files, "write_all", full)
    with pytest.raises(OSError):
        files.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_no_child_inherits_a_descriptor(tmp_path: Path) -> None:
    fd = files.open_append(tmp_path / "file")
    try:
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_removing_what_is_not_there(tmp_path: Path) -> None:
    files.remove(tmp_path / "nothing")
