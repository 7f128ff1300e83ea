"""A loader as a process: `loader.py URL COUNT` puts numbered clips in, and prints each outcome as it is told."""

from __future__ import annotations

import sys

from earmark.queue.clip import Hypothesis
from earmark.queue.store.interface import Incoming
from earmark.queue.store.open import open_store

url, count = sys.argv[1:]
store = open_store(url)
clips = (
    Incoming(
        identity=b"sound %d" % number,
        audio=b"fLaC sound of %d" % number * 50,
        duration=1.0,
        rate=16000,
        hypothesis=Hypothesis(f"text {number}"),
        lang=None,
        peaks=b"",
        source=f"{number}.wav",
    )
    for number in range(int(count))
)
for outcome in store.add(clips):
    print(outcome, flush=True)
store.close()
