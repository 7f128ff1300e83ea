"""URLs, the command line of ssh, the folder of its socket, and what its last words mean. The only ssh is of paper."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from earmark.queue.store.gate import ssh as module
from earmark.queue.store.gate.address import Address, parse
from earmark.queue.store.gate.process import is_for_gate
from earmark.queue.store.gate.ssh import SshChannel, SshWay, control_folder, fault, open_ssh
from earmark.queue.store.interface import SignInAgain, StoreError, StoreUnreachable
from earmark.queue.store.open import open_review_store, open_store


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ssh://host", Address("host")),
        ("ssh://host/", Address("host")),
        ("ssh://ada@host.example.org:2222", Address("host.example.org", "ada", 2222)),
        ("ssh://[::1]:22/x", Address("::1", None, 22, "sqlite:///x")),
        ("ssh://[fe80::1%eth0]", Address("fe80::1%eth0")),
        ("ssh://ada@corp@host", Address("host", "ada@corp")),
        ("ssh://host/clips/store", Address("host", store="sqlite:///clips/store")),
        ("ssh://host//srv/store", Address("host", store="sqlite:////srv/store")),
        ("ssh://host/my%20store", Address("host", store="sqlite:///my store")),
        ("ssh://host/sqlite:////srv/store", Address("host", store="sqlite:////srv/store")),
    ],
)
def test_what_a_url_means(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "ssh://",
        "ssh:///store",
        "ssh://-oProxyCommand=touch%20x",
        "ssh://-l",
        "ssh://ho st",
        "ssh://host;id",
        "ssh://host\n",
        "ssh://$(id)",
        "ssh://-oProxyCommand=x@host",
        "ssh://@host",
        "ssh://a b@host",
        "ssh://host:0",
        "ssh://host:65536",
        "ssh://host:22:22",
        "ssh://host:-1",
        "ssh://host/a%0ab",
        "ssh://[::1",
        "ssh://[-o]",
    ],
)
def test_what_could_be_an_option_or_a_command_is_no_url(url: str) -> None:
    with pytest.raises(StoreError):
        parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://eve:SECRET@host/store",
        "ssh://eve:SECRET@ho st",
        "ssh://eve:SEC/SECRET@host:70000",
        "ssh://SECRET@/store",
        "ssh://eve@host:70000/SECRET@x",
        "ssh://eve:SECRET@h;/x://y",
    ],
)
def test_what_is_said_of_such_a_url_holds_no_password(url: str) -> None:
    with pytest.raises(StoreError, match=r"'ssh://[^']*'") as caught:
        parse(url)
    assert "SECRET" not in str(caught.value)
    assert "eve" not in str(caught.value)


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for sockets, and a paper ssh that writes its arguments down beside it."""
    folder = tmp_path_factory.mktemp("r")
    program = folder / "ssh"
    program.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> {folder}/said\necho -- >> {folder}/said\n"
        f"test -e {folder}/down || exit 0\necho 'ssh: connect to host h port 22: Connection refused' >&2\nexit 255\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


def test_every_ssh_has_its_destination_behind_the_options(runtime: Path) -> None:
    way = SshWay(parse("ssh://ada@host:2222/a%20b;%20touch%20x"))
    way.sign_in(prompt=True)
    channel = way.open()
    while channel.receive(100):
        pass
    assert isinstance(channel.fault(), StoreUnreachable)
    channel.close()
    lines = (runtime / "said").read_text().splitlines()
    first, second = lines[: lines.index("-N")], lines[lines.index("ada", 30) :]
    assert "-M" in first
    assert "BatchMode=no" in lines
    where = [number for number, line in enumerate(lines) if line == "host"]
    assert [lines[number - 1] for number in where] == ["--", "--"]
    assert second[-2] == "earmark gate --store 'sqlite:///a b; touch x'"
    assert shlex.split(second[-2]) == ["earmark", "gate", "--store", "sqlite:///a b; touch x"]
    assert f'ControlPath="{runtime}/earmark-{os.getuid()}/{way._socket.name}"' in lines  # type: ignore[union-attr]
    for wanted in (
        "-T",
        "-a",
        "-x",
        "ClearAllForwardings=yes",
        "ServerAliveInterval=15",
        "ControlMaster=no",
        "BatchMode=yes",
    ):
        assert wanted in lines


def test_a_sign_in_that_fails_is_told(runtime: Path) -> None:
    (runtime / "down").touch()
    with pytest.raises(
        StoreUnreachable, match="host cannot be reached: ssh: connect to host h port 22: Connection refused"
    ):
        open_ssh("ssh://host", prompt=False)
    with pytest.raises(StoreUnreachable, match="did not get in at host"):
        open_review_store("ssh://host", prompt=True)


def test_a_machine_that_can_start_no_ssh_says_so_and_may_later(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way = SshWay(Address("host"))
    way._socket.touch()  # type: ignore[union-attr]

    def none_left(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", none_left)
        patch.setattr(subprocess.Popen, "__del__", lambda _: None)
        for start in (way.open, way.open_without_sign_in, lambda: way.sign_in(prompt=True), way.sign_out):
            with pytest.raises(StoreUnreachable, match="cannot be started on this machine: Resource temporarily"):
                start()
    way._socket.unlink()  # type: ignore[union-attr]
    with monkeypatch.context() as patch, pytest.raises(StoreUnreachable, match="cannot be started"):
        patch.setattr("tempfile.TemporaryFile", none_left)
        way.sign_in(prompt=False)


def test_a_signed_in_ssh_that_does_not_answer_is_told(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way = SshWay(Address("host"))
    way._socket.touch()  # type: ignore[union-attr]
    (runtime / "ssh").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(module, "_ANSWERS_WITHIN", 0.2)
    with pytest.raises(StoreUnreachable, match="signed in at host does not answer"):
        way.open_without_sign_in()


def test_without_ssh_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StoreError, match="install OpenSSH's client"):
        open_ssh("ssh://host")


def test_where_ssh_keeps_no_connection_nobody_is_asked_and_the_words_say_why(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HAS_MASTERS", False)
    way = SshWay(Address("host"))
    way.sign_in(prompt=True)
    assert not (runtime / "said").exists()
    assert not way.open_without_sign_in()
    assert "ControlPath=none" in way._command()
    assert "on Windows only a key" in str(fault("host", 255, b"Permission denied (publickey)."))


@pytest.mark.parametrize(
    ("code", "said", "kind", "words"),
    [
        (255, b"root@h: Permission denied (keyboard-interactive).\r\n", SignInAgain, "asks for a sign-in"),
        (255, b"No ED25519 host key is known\r\nHost key verification failed.\r\n", SignInAgain, "asks for a sign-in"),
        (255, b"ssh: connect to host h port 22: Connection refused\n", StoreUnreachable, "cannot be reached"),
        (255, b"", StoreUnreachable, "h cannot be reached"),
        (127, b"sh: 1: earmark: not found\n", StoreError, "has no earmark on its path"),
        (1, b"Error: this key is for reviewing\n", StoreUnreachable, "ended (1): Error: this key"),
        (1, b"\x1b]52;c;x\x07\xff\xfe\n", StoreUnreachable, "\ufffd]52;c;x"),
    ],
)
def test_what_ssh_s_last_words_mean(code: int, said: bytes, kind: type[StoreError], words: str) -> None:
    error = fault("h", code, said)
    assert type(error) is kind
    assert words in str(error)
    assert str(error).isprintable()


def test_the_sockets_folder_is_ones_own(runtime: Path) -> None:
    folder = control_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert control_folder() == folder
    folder.chmod(0o750)
    with pytest.raises(StoreError, match="nobody else can enter"):
        control_folder()
    folder.rmdir()
    folder.symlink_to(runtime)
    with pytest.raises(StoreError, match="nobody else can enter"):
        control_folder()


def test_a_folder_whose_path_is_too_long_for_a_socket_is_passed_over(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = runtime / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr("tempfile.tempdir", str(runtime))
    assert control_folder().parent == runtime


def test_a_channel_ends_when_it_is_closed_and_sends_no_more() -> None:
    channel = SshChannel(["sh", "-c", "echo hello; echo gone >&2; cat"], "h")
    channel.send(b"abc")
    got = b""
    while got != b"hello\nabc":
        got += channel.receive(100)
    channel.close()
    while channel.receive(100):
        pass
    assert channel.receive(100) == b""
    with pytest.raises(OSError):
        channel.send(b"x")
    assert "gone" in str(channel.fault())


def test_a_store_for_reviewing_is_no_supervisors_store() -> None:
    with pytest.raises(StoreError, match="is for reviewing"):
        open_store("ssh://host")


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("earmark gate", True),
        ("/x/earmark gate --store y", True),
        ("earmark", False),
        ("gate", False),
        ("sh -c 'earmark gate'", False),
        ("earmark; gate", False),
        ("'", False),
        ("", False),
    ],
)
def test_which_commands_are_a_gate(command: str, meant: bool) -> None:
    assert is_for_gate(command) is meant
