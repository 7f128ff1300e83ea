"""Where the program and its speaker meet nobody else can be, and what is in the way is said in one line."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.tui.sound.speaker import rendezvous
from earmark.tui.sound.speaker.rendezvous import Meeting, NoRendezvous, Taken, folder, join

NOBODY = 65534


def refused(words: str) -> None:
    """Neither side meets anybody, and both say why in one line."""
    for side in (Meeting, join):
        with pytest.raises(NoRendezvous, match=words) as told:
            side()
        assert str(told.value).isprintable()


def as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever there is belongs to somebody else than who asks."""
    other = os.getuid() + 1
    monkeypatch.setattr(rendezvous.os, "getuid", lambda: other)


@pytest.mark.usefixtures("state")
def test_the_folder_and_the_socket_are_the_users_alone() -> None:
    before = os.umask(0)
    try:
        meeting = Meeting()
    finally:
        os.umask(before)
    place = folder()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in place.iterdir()} == {0o600}
    meeting.close()
    assert not (place / rendezvous.SOCKET).exists()


@pytest.mark.usefixtures("state")
def test_the_two_meet() -> None:
    assert join() is None
    meeting = Meeting()
    with pytest.raises(Taken, match="another sitting"):
        Meeting()
    ours = join()
    assert ours is not None
    theirs = meeting.accept()
    assert theirs is not None
    assert meeting.accept() is None
    ours.sendall(b"x")
    theirs.setblocking(True)
    assert theirs.recv(9) == b"x"
    ours.close()
    theirs.close()
    meeting.close()
    assert join() is None
    Meeting().close()


def open_to_others(place: Path) -> None:
    place.mkdir(parents=True)
    place.chmod(0o750)


def a_file(place: Path) -> None:
    place.parent.mkdir(parents=True)
    place.touch(0o700)


def a_link(place: Path) -> None:
    elsewhere = place.parent / "elsewhere"
    elsewhere.mkdir(parents=True, mode=0o700)
    place.symlink_to(elsewhere)


@pytest.mark.parametrize(
    ("make", "words"), [(open_to_others, "is open to others"), (a_file, "is no folder"), (a_link, "is no folder")]
)
def test_a_folder_in_which_others_could_listen_is_refused(
    make: Callable[[Path], None], words: str, state: Path
) -> None:
    make(folder_of(state))
    refused(words)


def folder_of(state: Path) -> Path:
    """Where the folder of the socket will be."""
    name = folder().name
    (state / "earmark" / name).rmdir()
    (state / "earmark").rmdir()
    return state / "earmark" / name


@pytest.mark.usefixtures("state")
def test_a_folder_that_belongs_to_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder()
    if os.geteuid() == 0:
        os.chown(place, NOBODY, NOBODY)
    else:
        as_another(monkeypatch)
    refused("belongs to somebody else")


@pytest.mark.parametrize("what", ["a link", "a folder"])
@pytest.mark.usefixtures("state")
def test_a_lock_that_is_none_is_told_in_words(what: str) -> None:
    lock = folder() / "sound.lock"
    if what == "a link":
        lock.symlink_to("elsewhere")
    else:
        lock.mkdir()
    with pytest.raises(NoRendezvous, match=r"sound\.lock"):
        Meeting()
    assert not (folder() / "elsewhere").exists()


@pytest.mark.parametrize("what", ["a file", "a link", "a dangling link", "somebody's socket"])
@pytest.mark.usefixtures("state")
def test_what_was_put_in_the_sockets_place_is_never_listened_to(what: str, tmp_path: Path) -> None:
    path = folder() / rendezvous.SOCKET
    trap = socket.socket(socket.AF_UNIX)
    with rendezvous._reachable(tmp_path) as short:  # a socket's path must be short
        trap.bind(str(Path(short).with_name("trap")))
    trap.listen()
    trap.setblocking(False)
    if what == "a file":
        path.write_text("kept")
    elif what == "somebody's socket":
        (tmp_path / "trap").rename(path)
    else:
        path.symlink_to(tmp_path / ("trap" if what == "a link" else "nothing"))
    meeting = Meeting()
    assert stat.S_ISSOCK(path.lstat().st_mode)
    ours = join()
    assert ours is not None
    theirs = meeting.accept()
    assert theirs is not None
    with pytest.raises(BlockingIOError):
        trap.accept()
    for each in (ours, theirs, trap):
        each.close()
    meeting.close()


@pytest.mark.usefixtures("state")
def test_a_folder_in_the_sockets_place_is_told_in_words() -> None:
    (folder() / rendezvous.SOCKET).mkdir()
    with pytest.raises(NoRendezvous, match=r"sound\.sock"):
        Meeting()
    (folder() / rendezvous.SOCKET).rmdir()
    Meeting().close()


@pytest.mark.usefixtures("state")
def test_what_a_killed_program_left_is_in_nobodys_way() -> None:
    program = (
        "import os, signal\n"
        "from earmark.tui.sound.speaker.rendezvous import Meeting\n"
        "meeting = Meeting()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode < 0
    assert (folder() / rendezvous.SOCKET).exists()
    assert join() is None
    meeting = Meeting()
    ours = join()
    assert ours is not None
    ours.close()
    meeting.close()


def test_a_home_may_lie_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ("d" * 120) / ("e" * 120)))
    meeting = Meeting()
    assert stat.S_IMODE((folder() / rendezvous.SOCKET).stat().st_mode) == 0o600
    ours = join()
    assert ours is not None
    ours.close()
    meeting.close()
    assert not (folder() / rendezvous.SOCKET).exists()


KNOCK = """
import os, socket, sys
place = os.open(sys.argv[1], os.O_RDONLY)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({nobody})
    os.setuid({nobody})
door = socket.socket(socket.AF_UNIX)
try:
    door.connect(f"/proc/self/fd/{{place}}/sound.sock")
except PermissionError:
    print("refused")
else:
    print("in")
    sys.stdout.flush()
    door.recv(1)
"""


def knock(place: Path) -> subprocess.Popen[str]:
    """Another user, where the test may become one, knocks at the socket, past the folder's own rights."""
    program = KNOCK.format(nobody=NOBODY)
    return subprocess.Popen([sys.executable, "-c", program, str(place)], stdout=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("state")
def test_another_user_is_sent_away_even_where_the_rights_would_let_him_in(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Meeting()
    place = folder()
    if os.geteuid() == 0:
        with knock(place) as child:
            assert child.communicate(timeout=20)[0] == "refused\n"
    place.chmod(0o777)
    (place / rendezvous.SOCKET).chmod(0o777)
    with knock(place) as child:
        assert child.stdout
        assert child.stdout.readline() == "in\n"
        if os.geteuid() != 0:
            as_another(monkeypatch)
        assert meeting.accept() is None
        assert child.wait(20) == 0
    meeting.close()


@pytest.mark.usefixtures("state")
def test_a_program_of_another_user_is_never_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Meeting()
    monkeypatch.setattr(rendezvous, "is_us", lambda connection: False)
    with pytest.raises(NoRendezvous, match="is held by another user"):
        join()
    meeting.close()
