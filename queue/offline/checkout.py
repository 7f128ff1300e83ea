"""From a store into a batch on the disk, in steps that can be cut off anywhere and taken up again.

A batch is made with its plan as soon as the clips are leased; then each clip is fetched and kept, durably, one after
the other. What is cut off before the batch is there leaves nothing but leases, and the next checkout gets the same
clips again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from earmark.queue.offline.batch_file import BatchError, BatchFolder, Header, Plan, Slot, make_batch
from earmark.queue.offline.clock import Clocks, Evidence
from earmark.queue.offline.keys import Lock
from earmark.queue.store.interface import Leased, Refused, ReviewStore

MOST_CLIPS = 1000
"""Clips of the largest batch: as many as one answer of a gate leases."""

LATEST = 250_000_000_000.0
"""Unix seconds of a time that every calendar still knows."""

Progress = Callable[[int, int], None]
"""Told how many clips are here, and how many there will be."""


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for: how many clips in all, for how long (s), and in which language (None for any)."""

    count: int
    seconds: float
    lang: str | None = None


def begin(
    store: ReviewStore, folder: Path, url: str, reviewer: str, wanted: Wanted, lock: Lock, wrapping: bytes, now: Clocks
) -> tuple[BatchFolder, bytes, list[Leased]]:
    """Lease clips and make a batch for them in `folder`; gives the batch, its key, and what is to be fetched.

    Raises `StoreError`; then no lease is kept.
    """
    public_key = store.public_key()
    leased = store.lease(reviewer, wanted.count, lang=wanted.lang, seconds=wanted.seconds)
    try:
        if not leased:
            raise BatchError("there is no clip that you could review now: nothing was checked out")
        expires = min(one.expires for one in leased)
        if not 0 < expires < LATEST:
            raise BatchError("the store leases clips until a time that cannot be: nothing was checked out")
        # Where the store grants all that was asked, this is its own time; where it grants less, an earlier one.
        known = Evidence(max(now.wall, expires - wanted.seconds), now.since_boot, now.boot, now.machine)
        if known.at >= expires:
            raise BatchError("by this machine's clock the leases have run out already: set the clock")
        plan = Plan(tuple(Slot(one.clip.id, one.lease) for one in leased), wanted.lang)
        header = Header(
            store=store.id,
            url=url,
            reviewer=reviewer,
            public_key=public_key,
            expires=expires,
            contact=known,
            lock=lock,
        )
        batch, key = make_batch(folder, header, wrapping, plan, now)
    except BaseException:
        if leased:
            store.release(reviewer, [one.clip.id for one in leased])
        raise
    return batch, key, leased


def go_on(store: ReviewStore, batch: BatchFolder, wanted: Wanted, now: Clocks) -> list[Leased]:
    """Lease again what is not here yet, and as many more as are wanted in all; gives what is to be fetched.

    The batch keeps its end and its language. Clips that cannot be had any more leave the plan. Raises `StoreError`.
    """
    reviewer, slots = batch.header.reviewer, batch.plan.slots
    known = {slot.clip for slot in slots}
    missing = [slot.clip for slot in slots if not batch.has(slot.clip)]
    more = max(0, wanted.count - len(slots))
    if not missing and not more:
        return []
    leased = store.lease(
        reviewer,
        max(wanted.count, len(slots)),
        lang=batch.plan.lang,
        first=[*missing, *(known - set(missing))],
        seconds=batch.left(now),
    )
    new = [one for one in leased if one.clip.id not in known]
    if new[more:]:
        store.release(reviewer, [one.clip.id for one in new[more:]])
    again = {one.clip.id: one for one in leased if one.clip.id in set(missing)}
    # Under another lease when it had run out, or the store was put back from a backup.
    kept = [
        Slot(slot.clip, again[slot.clip].lease) if slot.clip in again else slot
        for slot in slots
        if slot.clip in again or slot.clip not in missing
    ]
    batch.set_plan(Plan((*kept, *(Slot(one.clip.id, one.lease) for one in new[:more])), batch.plan.lang))
    return [*again.values(), *new[:more]]


def fetch(
    store: ReviewStore, batch: BatchFolder, key: bytes, leased: Iterable[Leased], progress: Progress = lambda *_: None
) -> None:
    """Fetch the sound of clips and keep them in the batch. One that is refused (withdrawn meanwhile) leaves it.

    Raises `StoreError`: what is here stays, and the next checkout goes on.
    """
    here = len(batch.held())
    progress(here, len(batch.plan.slots))
    gone: list[str] = []
    try:
        for one in leased:
            try:
                batch.keep(key, one, store.audio(batch.header.reviewer, one.clip.id))
                here += 1
            except Refused:
                gone.append(one.clip.id)
            progress(here, len(batch.plan.slots) - len(gone))
    finally:
        if gone:
            batch.remove(gone)
