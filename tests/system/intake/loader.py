"""Loads a manifest into an SQLite store in a process of its own: loader.py MANIFEST STORE-FOLDER [dry].

Prints what came of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from earmark.queue.audio import quiet_stderr
from earmark.queue.intake import Reject, load
from earmark.queue.store.open import open_store


def most_memory() -> int:
    """The most that this process held, in MiB. (`ru_maxrss` would count the process that started this one.)"""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


def main(manifest: str, folder: str, dry: bool) -> None:
    rejects: list[Reject] = []
    store = open_store(f"sqlite:///{folder}")
    with quiet_stderr():
        loaded = load(Path(manifest), store, dry_run=dry, on_reject=rejects.append)
    store.close()
    print(
        json.dumps(
            {
                "loaded": {name: getattr(loaded, name) for name in loaded.__struct_fields__},
                "rejects": [[reject.line, str(reject)] for reject in rejects],
                "memory": most_memory(),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:] == ["dry"])
