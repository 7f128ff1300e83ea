"""Leaving the screen for ssh's prompt, and coming back."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from earmark.queue.store.interface import RemoteReviewStore, StoreError
from earmark.tui.screens.panels import shown

if TYPE_CHECKING:
    from earmark.keymaps.keymap import Keymap
    from earmark.tui.reviewing import Reviewing

LEAVING = "Signing in at the store's host. Nothing is lost meanwhile; ctrl+c comes back to the clips.\n"


def asked_to(keymap: Keymap) -> str:
    """What to say while the store's host lets nobody in."""
    if not keymap.keys_for("review.sign_in"):
        return "Sign in again: leave, and come back. What you decide is safe on disk."
    return (
        f"Sign in again: {shown(keymap, 'review.sign_in')} leaves for the prompt and comes back. "
        "What you decide is safe on disk."
    )


def sign_in(on: Reviewing) -> None:
    """Give the terminal to ssh for as long as it asks. Everything stands still meanwhile."""
    store = on.sitting.store
    if not isinstance(store, RemoteReviewStore):
        on.app.say("This store asks for no sign-in.")
        return
    on.hearing.silence()
    refused: StoreError | None = None
    try:
        with on.app.suspend(), _interruptible():
            sys.stderr.write(LEAVING)
            sys.stderr.flush()
            # Caught within: after an exception the toolkit would not come back to the screen.
            try:
                store.sign_in()
            except StoreError as error:
                refused = error
    except SuspendNotSupported:
        on.app.say("The prompt cannot be shown from here: leave, and come back.", "warn")
        return
    if refused is not None:
        on.app.say(f"Not signed in: {refused}.", "warn")
        return
    on.app.say("Signed in.", "good")
    on.sitting.poke()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let ctrl+c end the prompt and not the program: what is ignored here would be ignored by ssh too."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
