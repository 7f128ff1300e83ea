"""The gate as a process: its streams, signals and exit codes."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from earmark.queue.store.gate import messages
from earmark.queue.store.gate.frames import MAGIC, packed, pass_over_chatter, read_frame
from earmark.queue.store.gate.messages import Hello, Welcome
from terminal.console import earmark
from terminal.home import Home

HELLO = packed(messages.encode(Hello(messages.VERSION)))
COUNTS = packed(messages.encode(messages.Counts()))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "host")
    home.fill(["one", "two"])
    return home


@contextmanager
def gate(home: Home, *arguments: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        earmark("gate", *arguments),
        env={**home.whole_env, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[bytes], *requests: bytes) -> list[bytes]:
    """Greet, ask, and read the answers."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(HELLO + b"".join(requests))
    pass_over_chatter(process.stdout.read)
    answers = [read_frame(process.stdout.read, 1 << 26) for _ in range(1 + len(requests))]
    return [answer for answer in answers if answer is not None]


def reviewer(answers: list[bytes]) -> str:
    return msgspec.msgpack.decode(answers[0][1:], type=Welcome).reviewer


def test_it_ends_with_its_input_and_writes_nothing_but_frames(home: Home) -> None:
    with gate(home, "--as", "ada") as process:
        out, err = process.communicate(HELLO + COUNTS * 3, timeout=60)
        assert process.returncode == 0
        assert err == b""
        assert out.startswith(MAGIC)
        rest = out[len(MAGIC) :]
        for _ in range(4):
            length = int.from_bytes(rest[:4], "big")
            assert rest[4:5] == messages.ANSWER
            rest = rest[4 + length :]
        assert rest == b""


def test_without_as_the_reviewer_is_the_account_whatever_the_environment_says(home: Home) -> None:
    with gate(home, EARMARK_REVIEWER="mallory", LOGNAME="mallory", USER="mallory") as process:
        assert reviewer(ask(process)) == pwd.getpwuid(os.getuid()).pw_name
    with gate(home, "--as", "ada", EARMARK_REVIEWER="mallory") as process:
        assert reviewer(ask(process)) == "ada"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_without_a_word(home: Home, number: signal.Signals) -> None:
    with gate(home, "--as", "ada") as process:
        ask(process, COUNTS)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        assert (out, err) == (b"", b"")


def test_nobody_reading_its_answers_is_no_fault(home: Home) -> None:
    with gate(home, "--as", "ada") as process:
        ask(process)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stdin.write(COUNTS)
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_bad_frame_ends_it_with_words_in_a_frame_and_a_code_of_its_own(home: Home) -> None:
    with gate(home, "--as", "ada") as process:
        answers = ask(process, packed(b"nonsense"))
        assert "no request" in str(messages.failure_in(answers[1]))
        assert process.wait(60) == 76
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("earmark gate", 0),
        ("/opt/x/bin/earmark gate --store sqlite:////dev/null/x --as ben", 0),
        ("sh", 1),
        ("earmark export -", 1),
        ("earmark", 1),
        ("earmarked gate", 1),
        ("'", 1),
        ("", 1),
    ],
)
def test_of_what_the_client_asked_sshd_for_nothing_counts_but_that_it_is_a_gate(
    home: Home, command: str, code: int
) -> None:
    with gate(home, "--as", "ada", SSH_ORIGINAL_COMMAND=command) as process:
        out, err = process.communicate(HELLO, timeout=60)
        assert process.returncode == code
        assert (b"no shell, no files, no commands" in err) == bool(code)
        assert out.startswith(MAGIC) != bool(code)
        if not code:
            answer = read_frame(iter_read(out[len(MAGIC) :]), 1 << 20)
            assert answer is not None and reviewer([answer]) == "ada"


def iter_read(data: bytes) -> Any:
    import io

    return io.BytesIO(data).read


def test_a_person_at_a_terminal_is_told_what_it_is_for(home: Home) -> None:
    with home.console("gate") as console:
        assert console.wait_exit(30) == 1
        assert "not to people" in " ".join(console.text().split())


def test_a_gate_leads_to_no_other_gate(home: Home) -> None:
    with gate(home, "--store", "ssh://elsewhere", "--as", "ada") as process:
        out, _ = process.communicate(HELLO, timeout=60)
        assert process.returncode == 76
        assert b"is for reviewing" in out
