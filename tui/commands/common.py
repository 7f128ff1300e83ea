"""What the commands share: the settings in force, and the way to the store and to one's journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from earmark.tui.choices import SOUNDS, THEMES

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from earmark.queue.offline.batch_file import BatchFolder
    from earmark.queue.store.interface import ReviewStore, Store
    from earmark.queue.sync import Sent
    from earmark.tui.settings import Settings


class Invocation:
    """What was given before the subcommand. Settings are read when they are first asked for."""

    def __init__(self, overrides: Mapping[str, object]) -> None:
        self._overrides = dict(overrides)

    def override(self, name: str, value: object) -> None:
        """An option of all commands that was given behind the subcommand."""
        self._overrides[name] = value

    def settings(self, **more: object) -> Settings:
        """The settings in force; `more` are the subcommand's own options, None for those not given."""
        from earmark.tui.settings import read_settings

        return read_settings(self._overrides | {name: value for name, value in more.items() if value is not None})


invocation = click.make_pass_decorator(Invocation)


def screen_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that `review` and `demo` share."""
    command = click.option("--theme", type=click.Choice(THEMES), help="The colours.  [default: dark]")(command)
    command = click.option("--sound", type=click.Choice(SOUNDS), help="The way out for sound.  [default: auto]")(
        command
    )
    return click.option(
        "--keymap",
        metavar="NAME",
        shell_complete=_keymaps,
        help="default, vim, emacs, transcriber, or a file of your own.",
    )(command)


def _keymaps(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from earmark.keymaps.files import BUILT_IN

    named = [CompletionItem(name) for name in BUILT_IN if name.startswith(incomplete)]
    return named or [CompletionItem(incomplete, type="file")]


def open_store_of(settings: Settings) -> Store:
    """The store that the settings name."""
    from earmark.queue.store.open import open_store

    store = open_store(
        settings.store_url,
        lease_seconds=settings.lease_minutes * 60,
        critical_hold=settings.critical_hold_days * 86400,
        most_lease=settings.most_days * 86400,
        master_key=settings.master_key,
    )
    # Whoever comes by destroys what is due: a store from which nobody leases any more must not keep critical clips.
    store.purge()
    return store


def open_review_store_of(settings: Settings) -> tuple[ReviewStore, Settings]:
    """The store that the settings name, for reviewing alone, and the settings with the reviewer whom it knows: a team's
    store, and a host that is reached over SSH, say themselves in whose name one comes; who named somebody else is
    refused there. Over SSH this is where ssh asks what it must.
    """
    import sys

    from earmark.queue.store.open import open_review_store

    store: ReviewStore
    if settings.store_url.startswith("ssh://"):
        store = open_review_store(settings.store_url, reviewer=settings.reviewer, prompt=sys.stdin.isatty())
    else:
        store = open_store_of(settings)
    return store, known_to(store, settings)


def known_to(store: ReviewStore, settings: Settings) -> Settings:
    """The settings with the reviewer whom the store takes the login for, where they name nobody themselves."""
    from earmark.queue.store.interface import PersonalStore

    if settings.reviewer is not None or not isinstance(store, PersonalStore) or store.reviewer is None:
        return settings
    import msgspec

    return msgspec.structs.replace(settings, reviewer=store.reviewer)


def batch_of(settings: Settings) -> BatchFolder | None:
    """The clips that are checked out on this machine for the store and reviewer of the settings, if any are. Whatever
    has run out is shredded. Raises `StoreError`.
    """
    if not (settings.home_path / "batches").is_dir():
        return None
    from earmark.tui.offline import find

    return find(settings)


def journal_folder(settings: Settings, store_id: str) -> Path:
    """Where the journal of this reviewer for this store lives: one for each, so that a demo never syncs into a team's
    store.
    """
    import hashlib

    who = hashlib.sha256(settings.reviewer_name.encode()).hexdigest()[:16]
    return settings.home_path / "journals" / f"{store_id}-{who}"


def tell_of(sent: Sent) -> None:
    """Tell what the reviewer should know of what was sent: it is noted as told, and no later sync says it again."""
    if sent.quarantined or sent.renewed:
        from earmark.tui.opening import words_of

        click.echo(words_of(sent), err=True)


def plural(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
