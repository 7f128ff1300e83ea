"""What every store keeps to, here in SQLite."""

from __future__ import annotations

from contract.store.lease import *  # noqa: F403
