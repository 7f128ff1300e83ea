"""Through a gate a store does what it does without one: the same tests, in the surroundings of this folder."""

from __future__ import annotations

from contract.store.opinions import *  # noqa: F403
