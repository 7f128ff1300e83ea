"""What the commands share: the settings in force, and the way to the store and to one's journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from earmark.queue.store.interface import Store
    from earmark.tui.settings import Settings


class Invocation:
    """What was given before the subcommand. Settings are read when they are first asked for."""

    def __init__(self, overrides: Mapping[str, object]) -> None:
        self._overrides = dict(overrides)

    def settings(self, **more: object) -> Settings:
        """The settings in force; `more` are the subcommand's own options, None for those not given."""
        from earmark.tui.settings import read_settings

        return read_settings({**self._overrides, **more})


invocation = click.make_pass_decorator(Invocation)


def open_store_of(settings: Settings) -> Store:
    """The store that the settings name."""
    from earmark.queue.store.open import open_store

    return open_store(
        settings.store_url,
        lease_seconds=settings.lease_minutes * 60,
        critical_hold=settings.critical_hold_days * 86400,
    )


def journal_folder(settings: Settings, store_id: str) -> Path:
    """Where the journal of this reviewer for this store lives: one for each, so that a demo never syncs into a team's
    store.
    """
    import hashlib

    who = hashlib.sha256(settings.reviewer_name.encode()).hexdigest()[:16]
    return settings.home_path / "journals" / f"{store_id}-{who}"


def plural(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
