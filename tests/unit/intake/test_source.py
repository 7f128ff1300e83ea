"""Where audio may lie, and opening a file that a stranger named."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.queue.source import Finder, SourceError, open_regular, part_name, split_part


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """`corpus/lists/all.jsonl`, audio beside and next door, and a secret outside."""
    (tmp_path / "secret.wav").write_bytes(b"secret")
    lists = tmp_path / "corpus" / "lists"
    audio = tmp_path / "corpus" / "audio"
    lists.mkdir(parents=True)
    audio.mkdir()
    for place in (lists / "beside.wav", audio / "next.wav"):
        place.write_bytes(b"x")
    (lists / "out.wav").symlink_to(tmp_path / "secret.wav")
    (lists / "in.wav").symlink_to(audio / "next.wav")
    (lists / "away").symlink_to(tmp_path)
    (lists / "self").symlink_to(".")
    return lists / "all.jsonl"


def test_names_count_from_the_manifest_wherever_one_stands(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    finder = Finder(corpus)
    beside, beyond = corpus.parent / "beside.wav", corpus.parent.parent / "audio" / "next.wav"
    assert finder.find("beside.wav") == str(beside)
    assert finder.find("./self/self/beside.wav") == str(beside)
    assert finder.find("../audio/next.wav") == str(beyond)
    assert finder.find(str(beyond)) == str(beyond)
    assert finder.find("in.wav") == str(beyond)


@pytest.mark.parametrize(
    "name", ["out.wav", "away/secret.wav", "../../secret.wav", "self/../../../secret.wav", "/etc/passwd"]
)
def test_a_file_outside_is_refused_by_whatever_road(corpus: Path, name: str) -> None:
    with pytest.raises(SourceError, match="lies outside"):
        Finder(corpus).find(name)


def test_roots_are_added_to_the_manifest_s_own(corpus: Path) -> None:
    outside = corpus.parent.parent.parent
    assert Finder(corpus, [outside]).find("../../secret.wav") == str(outside / "secret.wav")
    assert Finder(corpus, [outside]).find("../audio/next.wav")
    with pytest.raises(SourceError, match="lies outside"):  # a sibling whose name begins alike is not inside
        Finder(corpus, [outside / "secret"]).find("../../secret.wav")


def test_a_manifest_in_a_top_folder_or_at_home_does_not_open_all_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = tmp_path / "homes"
    for person in ("me", "you"):
        (homes / person).mkdir(parents=True)
        (homes / person / "x.wav").write_bytes(b"x")
    monkeypatch.setenv("HOME", str(homes / "me"))
    finder = Finder(homes / "me" / "all.jsonl")
    assert finder.find("x.wav")
    with pytest.raises(SourceError, match="lies outside"):
        finder.find("../you/x.wav")
    with pytest.raises(SourceError, match="lies outside"):
        Finder(Path("/opt/all.jsonl")).find("/etc/passwd")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "no file is named"),
        (".", "no file is named"),
        ("..", "no file is named"),
        ("  ", "no file is named"),
        ("file:///etc/passwd", "a URL"),
        ("http://127.0.0.1:9/x.wav", "a URL"),
        ("s3://bucket/x.wav", "a URL"),
        ("C:\\x\\y.wav", "a Windows path"),
        ("\\\\host\\share\\y.wav", "a Windows path"),
        ("sox x.wav -t wav - |", "a shell command"),
        ("|id", "a shell command"),
        ("nul\0.wav", "not a name"),
        ("\ud800.wav", "not a name"),
        ("x" * 5000, "too long"),
        ("y" * 300, "file name too long"),
        ("missing.wav", "no such file"),
        ("beside.wav/x.wav", "no such file"),
        ("../lists", "a folder"),
        ("self/.", "a folder"),
    ],
)
def test_names_that_cannot_be(corpus: Path, name: str, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        Finder(corpus).find(name)


def test_links_that_lead_nowhere(corpus: Path) -> None:
    (corpus.parent / "a.wav").symlink_to("b.wav")
    (corpus.parent / "b.wav").symlink_to("a.wav")
    (corpus.parent / "gone.wav").symlink_to("nothing.wav")
    with pytest.raises(SourceError, match="symbolic links"):
        Finder(corpus).find("a.wav")
    with pytest.raises(SourceError, match="no such file"):
        Finder(corpus).find("gone.wav")


def test_only_regular_files_are_found_and_opened(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(corpus.parent)  # a socket's path must be short
    os.mkfifo("pipe.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.wav")
        for name in ("pipe.wav", "socket.wav"):
            with pytest.raises(SourceError, match="not a regular file"):
                Finder(corpus).find(name)
        for path in ("pipe.wav", "socket.wav", "/dev/zero", "."):
            with pytest.raises(SourceError, match="not a regular file"), open_regular(path):
                pass


def test_open_regular_gives_the_file_and_closes_it(corpus: Path) -> None:
    with open_regular(corpus.parent / "beside.wav") as descriptor:
        assert os.read(descriptor, 9) == b"x"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with pytest.raises(SourceError, match="no such file"), open_regular(corpus.parent / "missing.wav"):
        pass


@given(
    st.text(max_size=30) | st.sampled_from(["a#t=1", "a#t=1,2", "a#t=0", "#t=1.5,2.5"]),
    st.integers(0, 10**8).map(lambda milli: milli / 1000),
    st.none() | st.integers(1, 10**6).map(lambda milli: milli / 1000),
)
def test_a_part_is_named_so_that_it_is_found_again(name: str, offset: float, duration: float | None) -> None:
    assert split_part(part_name(name, offset, duration)) == (name, offset)


def test_how_parts_are_named() -> None:
    assert part_name("x.wav", 0.0, 7.1) == "x.wav"
    assert part_name("x.wav", 5.5, 2.75) == "x.wav#t=5.5,8.25"
    assert part_name("x.wav", 5.5, None) == "x.wav#t=5.5"
