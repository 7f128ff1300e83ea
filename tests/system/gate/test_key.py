"""What a key with a forced command can be used for besides: nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import time

import pytest

from needs import need
from system.gate.conftest import Team


def ssh(team: Team, *arguments: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["ssh", *arguments],
        env={**os.environ, **team.server.environment},
        capture_output=True,
        timeout=60,
        check=False,
        **{"stdin": subprocess.DEVNULL, **more},  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(
    "command", ["id", "sh -c id", "", "earmark export -", "earmark journal show", "scp -f /etc/passwd"]
)
def test_no_command_is_run(team: Team, command: str) -> None:
    if not command:
        done = ssh(team, "-tt", "ada", input=b"id\nexit\n", stdin=None)
    else:
        done = ssh(team, "ada", command)
        assert done.returncode == 1
        assert b"for reviewing with Earmark and for nothing else" in done.stderr
        assert done.stdout == b""
    assert b"uid=" not in done.stdout + done.stderr
    assert b"root:" not in done.stdout + done.stderr


def test_a_shell_without_a_terminal_meets_the_gate(team: Team) -> None:
    done = ssh(team, "-T", "ada", input=b"id\n/bin/sh\nexit\n" * 10, stdin=None)
    assert done.returncode == 76
    assert b"uid=" not in done.stdout
    assert done.stdout.startswith(b"\0earmark gate\0")
    assert b"1 to 8,192 are allowed" in done.stdout
    assert done.stderr == b""


def test_what_follows_the_gates_name_does_not_count(team: Team) -> None:
    done = ssh(team, "ada", "earmark gate --store sqlite:////dev/null/x --as ben; id")
    assert done.returncode == 0
    assert done.stdout == b"\0earmark gate\0"


def test_no_files(team: Team) -> None:
    need("sftp")
    done = subprocess.run(
        ["sftp", "-S", f"{team.server.environment['PATH'].split(':')[0]}/ssh", "-b", "-", "ada"],
        input=b"ls /\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert b"etc" not in done.stdout
    assert b"Connection closed" in done.stderr


def test_no_forwarding(team: Team) -> None:
    """Neither a port of the host's network, nor one on the host, nor a channel of standard streams."""
    with socket.create_server(("127.0.0.1", 0)) as secret:
        port = secret.getsockname()[1]
        straight = ssh(team, "-W", f"127.0.0.1:{port}", "ada")
        assert straight.returncode != 0
        assert b"prohibited" in straight.stderr
        back = ssh(team, "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"0:127.0.0.1:{port}", "ada")
        assert back.returncode != 0
        assert b"forwarding failed" in back.stderr
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            local = probe.getsockname()[1]
        holding = subprocess.Popen(
            ["ssh", "-N", "-L", f"127.0.0.1:{local}:127.0.0.1:{port}", "ada"],
            env={**os.environ, **team.server.environment},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            end = time.monotonic() + 30
            while True:
                try:
                    inner = socket.create_connection(("127.0.0.1", local), 5)
                    break
                except OSError:
                    assert time.monotonic() < end
                    time.sleep(0.05)
            with inner:
                inner.settimeout(30)
                assert inner.recv(1) == b""  # closed by sshd
        finally:
            holding.kill()
            assert b"prohibited" in holding.communicate()[1]
        secret.setblocking(False)
        with pytest.raises(BlockingIOError):
            secret.accept()


def test_no_agent_and_no_terminal(team: Team) -> None:
    done = ssh(team, "-A", "-tt", "ada", input=b"", stdin=None)
    assert b"PTY allocation request failed" in done.stderr
