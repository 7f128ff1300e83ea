"""`earmark demo`: the review screen on speech that ships with the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from earmark.tui.commands.common import Invocation, invocation, screen_options

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from earmark.tui.settings import Settings


@click.command()
@click.option(
    "--credits", "show_credits", is_flag=True, help="Say whose speech it is and under which licence, and exit."
)
@click.option("--reset", is_flag=True, help="Forget what was decided in the demo and start over.")
@screen_options
@invocation
def demo(
    given: Invocation, show_credits: bool, reset: bool, keymap: str | None, sound: str | None, theme: str | None
) -> None:
    """Try the review screen on real speech. It has a store and a journal of its own.

    \b
    Examples:
      earmark demo
      earmark demo --reset --keymap vim
      earmark demo --credits
    """
    if show_credits:
        click.echo((_clips() / "CREDITS.md").read_text(encoding="utf-8"))
        return
    from earmark.tui.opening import sit_down

    settings = demo_settings(given.settings(keymap=keymap, sound=sound, theme=theme))
    home = settings.home_path
    if reset and home.exists():
        import shutil

        from earmark.queue.journal import locked

        for busy in (home / "journals").glob("*"):
            with locked(busy):
                pass
        shutil.rmtree(home)
    fill(settings.store_url)
    sit_down(
        settings,
        greeting="Real speech, and what a machine heard. Accept it, correct it or mark it: the keys are below.",
        recall=True,
    )


def demo_settings(settings: Settings) -> Settings:
    """The settings with a home and a store of the demo's own, so that nothing of it reaches another store."""
    import msgspec

    home = settings.home_path / "demo"
    return msgspec.structs.replace(settings, home=str(home), store=f"sqlite:///{home / 'store'}", lang=None)


def fill(url: str) -> None:
    """Put the demo's clips into its store, unless they are there."""
    from earmark.queue.store.open import open_store

    store = open_store(url)
    try:
        if store.counts("").clips:
            return
        from importlib.resources import as_file

        from earmark.queue.intake import load

        with as_file(_clips()) as path:
            load(path / "manifest.jsonl", store)
    finally:
        store.close()


def _clips() -> Traversable:
    from importlib.resources import files

    return files("earmark.tui") / "demo"
