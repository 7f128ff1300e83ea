"""`earmark review`: the screen."""

from __future__ import annotations

from pathlib import Path

import click

from earmark.tui.commands.common import Invocation, invocation, screen_options


@click.command()
@screen_options
@click.option("--lang", metavar="CODE", help="Only clips of this language, such as de.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after so many clips.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The key that opens the clips checked out, where it lies elsewhere now.",
)
@invocation
def review(
    given: Invocation,
    keymap: str | None,
    sound: str | None,
    theme: str | None,
    lang: str | None,
    limit: int | None,
    key_file: Path | None,
) -> None:
    """Review clips: each plays by itself; accept, correct or mark it. While clips are checked out, it needs no network.

    \b
    Examples:
      earmark review
      earmark review --lang de --limit 50
      earmark review --keymap transcriber --sound none
    """
    from earmark.tui.opening import sit_down

    sit_down(given.settings(keymap=keymap, sound=sound, theme=theme, lang=lang), limit=limit, key_file=key_file)
