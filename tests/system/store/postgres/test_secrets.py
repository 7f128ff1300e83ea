"""What whoever steals the database, or the audio, has: nothing that can be heard, nor what was taken back."""

from __future__ import annotations

import pytest

from earmark.queue.clip import Hypothesis
from earmark.queue.decision import Verdict
from earmark.queue.seal import NotSealed, unseal
from earmark.queue.store import postgres_intake
from earmark.queue.store.interface import StoreError
from earmark.queue.store.master import make_master, read_master
from earmark.queue.store.postgres import PostgresStore


def plain_keys(team):
    """The master key and all that it opens."""
    master = read_master(str(team.master_key))
    own = postgres_intake.secrets_of(team.supervisor._database, master)
    clips = team.sql("SELECT clip, key FROM earmark.clip_key")
    return [master, own.pseudonym, own.clip_id, *(unseal(master, key, clip.encode()) for clip, key in clips)]


def test_a_stolen_dump_opens_nothing(team, store, fill, everything):
    fill(5)
    keys = plain_keys(team)
    assert len(keys) == 8
    assert len(set(keys)) == 8
    stolen = everything()
    for key in keys:
        assert key not in stolen
        assert key.hex().encode() not in stolen
    assert b"fLaC" not in stolen
    assert b"fLaC".hex().encode() not in stolen
    assert b"person 1" not in stolen  # who spoke


def test_what_was_withdrawn_or_marked_is_gone_from_a_dump(team, store, incoming, device, everything, clock):
    secret = Hypothesis("SECRET machine")
    list(store.add(incoming(n, hypothesis=secret, source=f"SECRET{n}.wav") for n in range(2)))
    one, two = (leased.clip.id for leased in store.lease("anna", 2))
    keys = dict(team.sql("SELECT clip, key FROM earmark.clip_key"))
    anna = device("anna")
    for clip in (one, two):
        anna.decide(clip, Verdict.CORRECTED, "SECRET text", note="SECRET note")
    anna.push(store)
    anna.decide(two, Verdict.CRITICAL)
    anna.push(store, 2)
    store.withdraw([one])
    clock.now += 8 * 86400
    team.open("anna").purge()
    gone = everything()
    assert b"SECRET text" not in gone
    assert b"SECRET note" not in gone
    assert b"SECRET machine" not in gone
    assert b"SECRET0" not in gone
    for key in keys.values():
        assert key.hex().encode() not in gone
    # The reviewer who came by cannot reach the audio; whoever supervises removes it.
    assert len(team.sounds()) <= 1
    store.purge()
    assert team.sounds() == []


def test_another_master_key_opens_nothing(team, store, fill, tmp_path):
    fill(1)
    (clip,) = [one.clip.id for one in store.lease("anna", 1)]
    make_master(tmp_path / "other.key")
    for setting, words in ((str(tmp_path / "other.key"), "another store's"), (None, "set master_key")):
        other = PostgresStore(team.url("anna"), lease_seconds=60, master_key=setting)
        with pytest.raises(StoreError, match=words):
            other.audio("anna", clip)
        other.close()
    ((sealed,),) = team.sql("SELECT key FROM earmark.clip_key")
    with pytest.raises(NotSealed):
        unseal(read_master(str(tmp_path / "other.key")), sealed, clip.encode())


def test_audio_that_cannot_be_kept_brings_no_row(team, store, incoming, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StoreError, match="No space left"):
        patch.setattr("earmark.queue.store.audio_objects.FolderObjects.put", full)
        list(store.add([incoming(0)]))
    assert store.counts("anna").clips == 0
    assert list(store.add([incoming(0)])) == ["added"]


def test_two_who_load_the_same_at_once_leave_audio_that_opens(team, store, incoming):
    """Each puts audio under a key and a name of its own; the row that stands names the right one."""
    first = team.supervisor
    second = PostgresStore(team.url("supervisor"), lease_seconds=60, master_key=str(team.master_key))
    told = []

    def interrupted():
        yield incoming(0)
        told.extend(second.add([incoming(0)]))

    assert list(first.add(interrupted())) == ["known"]
    assert told == ["added"]
    second.close()
    (clip,) = [one.clip.id for one in store.lease("anna", 1)]
    assert store.audio("anna", clip) == incoming(0).audio
    assert len(team.sounds()) == 1
