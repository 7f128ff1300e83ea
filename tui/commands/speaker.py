"""`earmark speaker`: the sound of this host's sitting, for a receiver where the reviewer's ears are."""

from __future__ import annotations

import contextlib
import sys

import click

from earmark.tui.commands.common import Invocation, invocation

RECEIVERS = ("sh", "python", "powershell")


@click.command()
@click.option("--text", is_flag=True, help="Frames as lines of ASCII, for the sh and powershell receivers.")
@click.option("--web", is_flag=True, help="A page that plays in a browser there, reached through a tunnel.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="The port of the page on this host.  [default: the first free one from 8750 on]",
)
@click.option("--receiver", type=click.Choice(RECEIVERS), help="Print a receiver that needs no installation, and exit.")
@invocation
def speaker(given: Invocation, text: bool, web: bool, port: int | None, receiver: str | None) -> None:
    """Send the sound of `earmark review` on this host to a receiver at the other end of an SSH connection.

    `earmark doctor`, run here, prints the line to paste there.

    \b
    Examples:  (run at the workstation)
      sh -c "$(ssh HOST earmark speaker --receiver sh | sed -n '/^#!/,$p')" - HOST
      ssh HOST earmark speaker --receiver sh > receiver.sh
      ssh -T HOST earmark speaker --text | sh receiver.sh
      ssh -L 8750:127.0.0.1:8750 HOST earmark speaker --web --port 8750
    """
    if port is not None and not web:
        raise click.UsageError("--port is the page's: give it together with --web.")
    if web and (text or receiver is not None):
        raise click.UsageError("--web is a receiver of its own: it goes with neither --text nor --receiver.")
    if receiver is not None:
        from earmark.tui.sound.speaker.receivers import script

        click.echo(script(receiver), nl=False)
        return
    if web:
        # Imported for this alone: the server and what it needs are nobody else's.
        from earmark.tui.sound.speaker.web import listen, serve_page

        serve_page(listen(port), _say)
        _say("Stopped.")
        return
    if sys.stdout.isatty():
        raise click.UsageError(
            "sound is not for a terminal: `earmark doctor` prints the line that joins this with a receiver."
        )
    import signal

    from earmark.tui.sound.speaker.relay import Relay

    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    _say(Relay(0, 1, text=text, say=_say).run())


def _say(words: str) -> None:
    # It goes through SSH to the reviewer's window, beside the receiver's own words.
    with contextlib.suppress(OSError):  # the window may be gone
        click.echo(f"earmark: {words}", err=True)
