"""What every store keeps to, here in SQLite."""

from __future__ import annotations

from contract.store.opinions import *  # noqa: F403
