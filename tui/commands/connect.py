"""`earmark connect`: a sitting on another host, its sound here."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from earmark.tui.choices import SOUNDS
from earmark.tui.commands.common import Invocation, invocation

ALIVE = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
RETRY = 2.0
"""Seconds before the speaker is started anew when it has ended by itself."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("host")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--ssh", metavar="WORDS", default="", help="Options for ssh, such as '-p 2222 -i KEY'.")
@click.option("--command", metavar="PATH", default="earmark", help="Earmark on the host.  [default: earmark]")
@click.option(
    "--sound",
    type=click.Choice([way for way in SOUNDS if way != "speaker"]),
    help="The way out for sound here.  [default: auto]",
)
@invocation
def connect(
    given: Invocation, host: str, arguments: tuple[str, ...], ssh: str, command: str, sound: str | None
) -> None:
    """Review on HOST and hear it here. ARGUMENTS go to Earmark on the host.  [default: review]

    One login serves both, where ssh can share a connection (not on Windows, which asks twice).

    \b
    Examples:
      earmark connect reviews.example.org
      earmark connect ann@reviews.example.org review --lang de
      earmark connect --ssh '-p 2222' --command /opt/earmark/bin/earmark reviews.example.org
    """
    if host.startswith("-"):
        raise click.UsageError(f"{host} is no host; options for ssh go into --ssh.")
    preference = given.settings(sound=sound).sound
    with shared_login([*shlex.split(ssh), *ALIVE], host) as login:
        speaker = [*login, "-T", "--", host, f"{shlex.quote(command)} speaker"]
        screen = [*login, "-t", "--", host, shlex.join([command, *(arguments or ("review",))])]
        with heard_here(speaker, "auto" if preference == "speaker" else preference) as troubles:
            code = show(screen)
    for words in troubles:
        click.echo(f"earmark: {words}", err=True)
    if code == 255:
        click.echo("The connection to the host ended. What was shown as saved is safe there.", err=True)
    raise click.exceptions.Exit(code)


@contextlib.contextmanager
def shared_login(options: list[str], host: str) -> Iterator[list[str]]:
    """Log in once, with every prompt before a screen is there; gives the words with which ssh uses that login."""
    if os.name == "nt":
        yield ["ssh", *options]
        return
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        shared = ["-S", str(Path(folder) / "login"), *options]
        master = ["ssh", "-M", "-f", "-N", "-o", "ControlPersist=no", *shared, "--", host]
        if subprocess.call(master):
            raise click.ClickException(f"ssh could not log in to {host}; its own words stand above.")
        # The master has no terminal: closing the window would leave it, and the login, behind.
        signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            yield ["ssh", *shared]
        finally:
            # A window that closes may say so twice.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            subprocess.run(["ssh", *shared, "-O", "exit", "--", host], capture_output=True, check=False)


def show(screen: list[str]) -> int:
    """Run the screen to its end; gives its exit code. On the way out ssh puts the terminal back as it was."""
    with subprocess.Popen(screen) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2.0)
            process.kill()
            raise


@contextlib.contextmanager
def heard_here(speaker: list[str], preference: str) -> Iterator[list[str]]:
    """Play what the speaker on the host sends, started anew when it ends; gives a list that gathers what went wrong,
    since the screen is the host's meanwhile.
    """
    troubles: list[str] = []
    over = threading.Event()
    ready = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def keep_on() -> None:
        while not over.is_set():
            # Its own session: Ctrl-C is a key of the screen's, and no reason for silence.
            with subprocess.Popen(
                speaker,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if os.name != "nt" else None,
                start_new_session=os.name != "nt",
            ) as process:
                running[:] = [process]
                if play(process, preference, ready, troubles):
                    return
                process.kill()
                said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            if said and not over.is_set():
                troubles[:] = [said.splitlines()[-1]]
            ready.set()
            over.wait(RETRY)

    thread = threading.Thread(target=keep_on, name="receiver", daemon=True)
    thread.start()
    # Where the login is not shared, its prompt must be answered before the screen takes the terminal.
    while not ready.wait(0.2 if os.name == "nt" else 5.0) and os.name == "nt":
        pass  # in slices: Ctrl-C goes unheard in a wait without end
    try:
        yield troubles
    finally:
        over.set()
        for process in running:
            process.kill()
        thread.join(2.0)


def play(process: subprocess.Popen[bytes], preference: str, ready: threading.Event, troubles: list[str]) -> bool:
    """Play frames until the speaker ends (False) or another one takes over (True)."""
    from earmark.tui.sound.sinks.choose import candidates
    from earmark.tui.sound.speaker.frames import Garbled
    from earmark.tui.sound.speaker.receive import Receiver, begun, frames

    assert process.stdin is not None and process.stdout is not None
    writing, back = threading.Lock(), process.stdin

    def answer(line: str) -> None:
        with writing, contextlib.suppress(OSError, ValueError):  # a way back that is gone shows where one reads
            back.write(f"{line}\n".encode())
            back.flush()

    receiver = Receiver(candidates(preference), answer)
    try:
        if begun(process.stdout):
            ready.set()
            receiver.greet()
        for frame in frames(process.stdout):
            if not receiver.take(frame):
                troubles.append("another speaker took over the sound")
                return True
    except Garbled:
        troubles.append("the host sent something that is no frame of sound")
    finally:
        receiver.close()
        if receiver.trouble and receiver.trouble not in troubles:
            troubles.append(receiver.trouble)
    return False
