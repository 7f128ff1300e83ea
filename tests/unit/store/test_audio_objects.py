"""Where sealed audio lies: a folder, or object storage."""

from __future__ import annotations

import pytest

from earmark.queue.store.audio_objects import open_objects
from earmark.queue.store.interface import StoreError

NAME, OTHER = "ab" * 16, "cd" * 16


@pytest.fixture(params=["folder", "remote"])
def objects(request, tmp_path):
    if request.param == "folder":
        return open_objects(f"file://{tmp_path}/a%20folder/audio")
    from earmark.queue.store.audio_remote import RemoteObjects

    return RemoteObjects("memory:///")  # of the same library, in this process


def test_what_was_put_is_read_until_it_is_removed(objects):
    objects.put(NAME, b"sealed")
    objects.put(OTHER, b"")
    assert objects.read(NAME) == b"sealed"
    assert objects.read(OTHER) == b""
    objects.remove([NAME, "ef" * 16])
    with pytest.raises(FileNotFoundError):
        objects.read(NAME)
    assert objects.read(OTHER) == b""


def test_a_folder_is_private(tmp_path):
    objects = open_objects(f"file://{tmp_path}/audio")
    objects.put(NAME, b"sealed")
    (path,) = [path for path in (tmp_path / "audio").rglob("*") if path.is_file()]
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "audio").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("url", ["", "/srv/audio", "file://host/x", "file:///", "ftp://x/y", "s3:///x"])
def test_what_is_no_place_is_told(url):
    with pytest.raises(StoreError, match="is no place for audio"):
        open_objects(url)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="no audio can be kept here"):
        open_objects(f"file://{tmp_path}/file/audio")


def test_a_storage_that_does_not_answer_is_told_without_its_words(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_REGION": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ALLOW_HTTP": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    import obstore
    from obstore.exceptions import GenericError

    def fail(*_: object, **__: object) -> None:
        raise GenericError("GET http://127.0.0.1:1/?X-Amz-Signature=hunter2")

    objects = open_objects("s3://bucket/prefix")
    monkeypatch.setattr(obstore, "get", fail)
    with pytest.raises(OSError, match="the object storage refused") as caught:
        objects.read(NAME)
    assert "hunter2" not in str(caught.value)
