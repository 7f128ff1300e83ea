"""`earmark keys`: the keys, as a table."""

from __future__ import annotations

import click

from earmark.tui.commands.common import Invocation, invocation


@click.command()
@click.option(
    "--keymap", metavar="NAME", help="default, vim, emacs, transcriber, or a file of your own, which is checked."
)
@click.option("--markdown", is_flag=True, help="As a Markdown table.")
@invocation
def keys(given: Invocation, keymap: str | None, markdown: bool) -> None:
    """Show what each key does. A keymap of your own is checked, and each fault is named.

    \b
    Examples:
      earmark keys
      earmark keys --keymap vim
      earmark keys --keymap ~/.config/earmark/keymap.toml
    """
    from earmark.keymaps.actions import ACTIONS, Context
    from earmark.keymaps.keymap import load
    from earmark.keymaps.keys import display
    from earmark.tui.settings import user_keymap

    settings = given.settings(keymap=keymap)
    shown = load(settings.keymap, user_keymap())
    if markdown:
        click.echo("| when | key | does |\n|---|---|---|")
    for context in Context:
        for action in (action for action in ACTIONS.values() if action.context is context):
            names = [display(key) for key in shown.keys_for(action.id)]
            if not names:
                continue
            if markdown:
                click.echo(f"| {context} | {' '.join(f'`{name}`' for name in names)} | {action.does} |")
            else:
                click.echo(f"{context:<10} {'  '.join(names):<16} {action.does}")
