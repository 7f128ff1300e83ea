"""A batch on the disk: whole or not there, closed to whoever has no key, and gone when it is over."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from earmark.queue.offline.batch_file import BatchError, BatchFolder, batches_in, open_batch, sound_in
from earmark.queue.offline.keys import KeyTrouble, wrapping_key
from earmark.queue.seal import new_key
from laptop import DAY, LOCK, PASSPHRASE, WRAPPING, Crash, Machine


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_put_in_comes_out(machine: Machine) -> None:
    _, key = machine.checkout(3)
    batch = open_batch(machine.place)
    assert batch is not None
    assert batch.open_key(wrapping_key(LOCK, PASSPHRASE)) == key
    for number, slot in enumerate(batch.held()):
        leased = batch.lease_of(key, slot.clip)
        assert leased is not None and leased.clip.hypothesis.text == f"machine text {number}"
        sealed = batch.sealed(slot.clip)
        assert sealed is not None and sound_in(sealed, key, slot.clip) == b"fLaC sound of %d" % number


def test_nothing_is_in_the_clear_and_nobody_else_reads_the_files(machine: Machine) -> None:
    machine.checkout(3)
    held = b"".join(path.read_bytes() for path in files_of(machine.home))
    for secret in (b"machine text", b"fLaC", b"text 0", PASSPHRASE.encode()):
        assert secret not in held
    for path in machine.home.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_another_passphrase_opens_nothing(machine: Machine) -> None:
    batch, _ = machine.checkout(1)
    with pytest.raises(KeyTrouble) as raised:
        batch.open_key(wrapping_key(LOCK, "another passphrase"))
    assert "another passphrase" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expires", 4e9),
        ("reviewer", "ben"),
        ("url", "ssh://elsewhere"),
        ("store", "0" * 32),
        ("public_key", "A" * 43 + "="),
    ],
)
def test_a_changed_header_opens_nothing(machine: Machine, name: str, value: object) -> None:
    machine.checkout(1)
    path = machine.place / "batch.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    batch = open_batch(machine.place)
    assert batch is not None
    with pytest.raises(KeyTrouble):
        batch.open_key(WRAPPING)


def test_a_changed_time_of_contact_opens_nothing_and_a_removed_one_gains_nothing(machine: Machine) -> None:
    batch, _ = machine.checkout(1)
    machine.clock.now += 2.9 * DAY
    machine.ahead = -10 * DAY
    before = batch.left(machine.clocks())
    assert 0 < before < DAY
    (machine.place / "seen.json").unlink()
    again = open_batch(machine.place)
    assert again is not None and abs(again.left(machine.clocks()) - before) < 1


def test_every_flipped_bit_of_a_clip_is_found(machine: Machine) -> None:
    batch, key = machine.checkout(2)
    one, two = (slot.clip for slot in batch.held())
    whole = batch.path(one).read_bytes()
    for place in range(len(whole)):
        batch.path(one).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BatchError, match="damaged"):
            batch.lease_of(key, one)
            sound_in(batch.path(one).read_bytes(), key, one)
    for cut in (0, 3, 4, 20, len(whole) - 1):
        batch.path(one).write_bytes(whole[:cut])
        with pytest.raises(BatchError, match="damaged"):
            batch.lease_of(key, one)
            sound_in(batch.path(one).read_bytes(), key, one)
    batch.path(one).write_bytes(batch.path(two).read_bytes())
    with pytest.raises(BatchError, match="damaged"):
        batch.lease_of(key, one)
    with pytest.raises(BatchError, match="damaged"):
        batch.lease_of(new_key(), two)


def test_a_link_in_a_files_place_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    batch, key = machine.checkout(1)
    (slot,) = batch.held()
    elsewhere = tmp_path / "elsewhere"
    batch.path(slot.clip).rename(elsewhere)
    os.symlink(elsewhere, batch.path(slot.clip))
    with pytest.raises(BatchError):
        batch.lease_of(key, slot.clip)


@pytest.mark.parametrize("name", ["../up", "a/b", "", "x" * 65, ".\n"])
def test_a_clip_is_no_path(machine: Machine, name: str) -> None:
    batch, _ = machine.checkout(1)
    with pytest.raises(BatchError):
        batch.path(name)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe", b'{"format":1}'])
def test_a_damaged_header_is_told_with_what_to_do(machine: Machine, damage: bytes) -> None:
    machine.checkout(1)
    (machine.place / "batch.json").write_bytes(damage)
    with pytest.raises(BatchError, match="remove its folder"):
        list(batches_in(machine.home))


def test_a_batch_of_a_later_format_is_left_alone(machine: Machine) -> None:
    machine.checkout(1)
    path = machine.place / "batch.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | {"format": 2}))
    with pytest.raises(BatchError, match="another version"):
        open_batch(machine.place)


def test_the_shredder_goes_on_from_any_step(machine: Machine, break_at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 0
    while True:
        batch, _ = machine.checkout(2)
        with monkeypatch.context():
            done = break_at(number)
            try:
                batch.shred()
                finished = True
            except Crash:
                finished = False
        monkeypatch.undo()
        if finished:
            break
        left = open_batch(machine.place)
        assert left is None or "unlink" not in done, "the key goes first"
        if left is None:
            assert list(batches_in(machine.home)) == []
        else:
            left.shred()
        assert not machine.place.exists(), (number, done)
        number += 1
    assert number > 8
    assert not machine.place.exists()


def test_shredded_bytes_are_overwritten(machine: Machine) -> None:
    batch, _ = machine.checkout(1)
    held = {path: path.open("rb") for path in files_of(machine.place)}
    batch.shred()
    for path, file in held.items():
        with file:
            assert not file.read().strip(b"\0"), path


def test_the_batches_of_a_home_that_has_none(tmp_path: Path) -> None:
    assert list(batches_in(tmp_path)) == []
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "file").write_text("")
    (tmp_path / "batches" / ".new-mine-1").mkdir()
    assert list(batches_in(tmp_path)) == []
    assert (tmp_path / "batches" / ".new-mine-1").is_dir()


def test_what_is_over(machine: Machine) -> None:
    batch: BatchFolder = machine.checkout(1, days=1)[0]
    assert batch.left(machine.clocks()) == pytest.approx(DAY)
    machine.clock.now += DAY - 1
    assert batch.left(machine.clocks()) > 0
    machine.clock.now += 1
    assert batch.left(machine.clocks()) <= 0
    machine.ahead = -5 * DAY
    assert batch.left(machine.clocks()) <= 0, "the machine has counted"
    machine.restart()
    assert batch.left(machine.clocks()) > 0, "nobody looked before it was switched off, and its clock lies"
