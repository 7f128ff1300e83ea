"""The `earmark` command. Each subcommand is a module of its own and imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from earmark.tui.commands.common import Invocation
from earmark.tui.commands.outlet import filter_output

COMMANDS = (
    "demo",
    "load",
    "review",
    "speaker",
    "connect",
    "sync",
    "status",
    "export",
    "withdraw",
    "journal",
    "keys",
    "doctor",
    "gate",
    "completion",
)
"""In the order of `earmark --help`; each is a module here with a command of its own name."""


class Commands(click.Group):
    """Imports a subcommand's module when it is asked for: opening the review screen does not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"earmark.tui.commands.{cmd_name}"), cmd_name)
        _take_globals(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from None


def _take_globals(command: click.Command) -> None:
    """Let `--store`, `--home` and `--reviewer` stand behind the subcommand too: nobody remembers where they belong."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _take_globals(inner)
    elif not any(option.name == "home" for option in command.params):
        own = {option.name for option in command.params}
        for name in (name for name in ("store", "home", "reviewer") if name not in own):
            command.params.append(
                click.Option([f"--{name}"], hidden=True, expose_value=False, callback=_override, metavar=name.upper())
            )


def _override(context: click.Context, option: click.Parameter, value: str | None) -> None:
    given = context.find_object(Invocation)
    if value is not None and given is not None and option.name is not None:
        given.override(option.name, value)


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from earmark.tui.version import VERSION

        click.echo(f"earmark {VERSION}")
        context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--store",
    metavar="URL",
    help="The store, such as sqlite:///FOLDER or ssh://HOST.  [default: an embedded one; EARMARK_STORE]",
)
@click.option("--home", metavar="DIR", help="The folder for journals and the default store.  [EARMARK_HOME]")
@click.option(
    "--reviewer", metavar="NAME", help="In whose name decisions are made.  [default: the login name; EARMARK_REVIEWER]"
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
@click.pass_context
def cli(context: click.Context, /, **overrides: str | None) -> None:
    """Check what a speech recogniser heard: hear it, correct it, accept it or mark it.

    \b
    Examples:
      earmark demo                        try it on real speech
      earmark load manifest.jsonl         put clips and transcripts into the store
      earmark review                      review them
      earmark export results.jsonl        the results as a manifest
    """
    context.obj = Invocation(overrides)


def main() -> None:
    """Run the command line. Exits with 0, with 1 and one clear message on standard error, or with 2 for usage."""
    # Textual reads these at import; some would write what is on the screen to a log, a file or another program.
    for name in [name for name in os.environ if name.startswith("TEXTUAL")]:
        del os.environ[name]
    _keep_no_core()
    filter_output()
    sys.exit(_run())


def _keep_no_core() -> None:
    # A core file would hold the sound and the text that were at hand.
    try:
        import resource
    except ImportError:  # Windows writes none
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run() -> int:
    try:
        returned: Any = cli(prog_name="earmark", standalone_mode=False)
        sys.stdout.flush()
        return returned if isinstance(returned, int) else 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone away, as `head` does.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115,PTH123 - lives as long as the process
        return 1
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    """Our own errors speak for themselves; of any other only the place is told, for its values may be somebody's
    words.
    """
    if type(error).__module__.startswith("earmark."):
        click.echo(f"Error: {error}", err=True)
        return 1
    if isinstance(error, OSError):
        click.echo(f"Error: {error.filename or 'the system'}: {error.strerror or type(error).__name__}", err=True)
        return 1
    import traceback

    click.echo(
        f"Error: a fault of Earmark's own ({type(error).__name__}); nothing saved is lost. It happened at:", err=True
    )
    for frame in traceback.extract_tb(error.__traceback__)[-8:]:
        click.echo(f"  {frame.filename}:{frame.lineno} in {frame.name}", err=True)
    return 1
