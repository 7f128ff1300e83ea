"""A reviewer as a process: leases, hears and decides clips until none is left.

    reviewer.py URL NAME LEASE_SECONDS BATCH [hold]

Prints `ready` and waits for a line, so that several start together; then `leased CLIP EXPIRES` for each lease and
`decided CLIP` for each decision that has arrived. With `hold` it leases once and waits to be killed.
"""

from __future__ import annotations

import sys
import time

from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal.line import encode, split
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.open import open_store

url, name, lease_seconds, batch, *hold = sys.argv[1:]
store = open_store(url, lease_seconds=float(lease_seconds))
seq, chain = 0, ""
print("ready", flush=True)
sys.stdin.readline()
while leased := store.lease(name, int(batch)):
    for one in leased:
        print("leased", one.clip.id, one.expires, flush=True)
    if hold:
        time.sleep(3600)
    for one in leased:
        assert store.audio(name, one.clip.id).startswith(b"fLaC")
        decision = Decision(
            id=new_id(),
            at=told_time(),
            reviewer=name,
            clip=one.clip.id,
            verdict=Verdict.CORRECTED,
            text=f"by {name}",
            lease=one.lease,
        )
        seq += 1
        line = encode(decision, device=f"device-{name}", seq=seq, app="test", previous=chain, salt="0" * 32)
        chain = split(line).chain
        assert store.push(f"device-{name}", name, [line]).head.seq == seq
        print("decided", one.clip.id, flush=True)
    store.release(name, [one.clip.id for one in leased])
store.close()
