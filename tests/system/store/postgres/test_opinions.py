"""What every store keeps to, here in PostgreSQL under roles that may do nothing else."""

from __future__ import annotations

from contract.store.opinions import *  # noqa: F403
