"""`earmark completion`: the script that teaches a shell our commands."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
      earmark completion bash >> ~/.bashrc
      earmark completion fish > ~/.config/fish/completions/earmark.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"there is no completion for {shell}")
    root = context.find_root()
    click.echo(kind(root.command, {}, "earmark", "_EARMARK_COMPLETE").source())
