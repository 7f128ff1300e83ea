"""What every store keeps to, here in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from contract.store.sealed import *  # noqa: F403


def test_a_store_made_before_there_were_seals_gets_a_key(open_one: Callable[[], Any], folder: Any) -> None:
    open_one().close()
    with sqlite3.connect(folder / "store.db") as connection:
        connection.execute("DELETE FROM meta WHERE name = 'seal key'")
    connection.close()
    key = open_one().public_key()
    assert open_one().public_key() == key


def test_the_key_is_the_same_at_every_opening(store: Any, open_one: Callable[[], Any]) -> None:
    assert len(store.public_key()) == 32
    assert open_one().public_key() == store.public_key()
