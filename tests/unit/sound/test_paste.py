"""The lines to paste at a workstation: they name this host as it was reached, and survive two shells."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from earmark.tui.sound.speaker.paste import lines
from earmark.tui.sound.speaker.receivers import script

REACHED = {"SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22", "USER": "ann"}


def line(where: str, environ: dict[str, str]) -> str:
    return next(each.line for each in lines(environ) if each.where.startswith(where))


def test_they_name_the_user_and_the_address_that_was_reached() -> None:
    assert all("ann@192.0.2.1" in each.line for each in lines(REACHED))
    assert all(
        "-p 2200 ann@192.0.2.1" in each.line for each in lines(REACHED | {"SSH_CONNECTION": "a 1 192.0.2.1 2200"})
    )


def test_without_a_connection_a_word_stands_for_the_host() -> None:
    assert all("HOST" in each.line and "@" not in each.line.replace("@echo", "") for each in lines({}))


@pytest.mark.parametrize("program", ["/opt/ear mark/earmark", "/opt/it's/earmark", "/opt/$HOME/earmark"])
def test_a_path_with_signs_reaches_the_remote_shell_whole(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    pasted = line("Linux", REACHED)
    first = pasted[pasted.index("$(") + 2 : pasted.index(')"')]
    words = shlex.split(first)
    assert words[:2] == ["ssh", "ann@192.0.2.1"]
    assert shlex.split(words[2]) == [program, "speaker", "--receiver", "sh"]


@pytest.mark.parametrize("kind", ["sh", "python", "powershell"])
def test_a_receiver_calls_this_very_program(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/earmark/bin/earmark"])
    assert "/opt/earmark/bin/earmark speaker" in script(kind)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_shell_receiver_is_a_program_for_every_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/it's here/earmark"])
    text = script("sh")
    checked = subprocess.run([shell, "-n"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    (remote,) = [each for each in text.splitlines() if each.startswith("REMOTE=")]
    said = subprocess.run([shell, "-c", f'{remote}; printf %s "$REMOTE"'], text=True, capture_output=True, check=True)
    assert shlex.split(said.stdout) == ["/opt/it's here/earmark", "speaker", "--text"]


def test_the_python_receiver_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/it's here/earmark"])
    names: dict[str, object] = {"__name__": "receiver"}
    exec(compile(script("python"), "receiver", "exec"), names)
    assert shlex.split(str(names["REMOTE"])) == ["/opt/it's here/earmark", "speaker"]
