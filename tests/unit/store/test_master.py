"""The master key: a file that is nobody else's, or a command that prints it."""

from __future__ import annotations

import pytest

from earmark.queue.store.interface import StoreError
from earmark.queue.store.master import check_master, check_of, make_master, read_master


def test_a_new_key_is_the_owners_alone_and_is_never_written_over(tmp_path):
    path = tmp_path / "key"
    key = make_master(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_master(str(path)) == key
    with pytest.raises(StoreError, match="cannot be written"):
        make_master(path)
    assert read_master(str(path)) == key


def test_a_command_prints_it(tmp_path):
    key = make_master(tmp_path / "key")
    assert read_master(f"command:cat {tmp_path / 'key'}") == key


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("/nowhere/key", "cannot be read"),
        ("command:false", "failed with status 1"),
        ("command:no-such-program-at-all", "could not be run"),
        ("command:echo SECRET", "is no master key: 64 hex digits are"),
        ("command:'", "could not be run"),
    ],
)
def test_what_gives_no_key_is_told(setting, words):
    with pytest.raises(StoreError, match=words) as caught:
        read_master(setting)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_reach_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    make_master(path)
    path.chmod(mode)
    with pytest.raises(StoreError, match="chmod 600"):
        read_master(str(path))


def test_the_check_knows_its_key_and_tells_nothing_of_it(tmp_path):
    one, other = make_master(tmp_path / "one"), make_master(tmp_path / "other")
    check = check_of(one)
    check_master(one, check, "here")
    with pytest.raises(StoreError, match="here: this is another store's master key"):
        check_master(other, check, "here")
    assert one not in check
