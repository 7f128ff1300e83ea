"""What the measurements share: statistics, the table that they print, and the surroundings in which they run.

Import this first: it makes `soundlab` and `terminal.console`, one folder up, importable.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("EARMARK_SHARED", TESTS.parents[1] / "shared"))
SPEECH = SHARED / "speech" / "manifest.jsonl"

sys.path.append(str(TESTS))


class Row(NamedTuple):
    """One line of the table: a figure in `unit`, the same of the baseline, their ratio, and the most that the figure,
    or the ratio, should be; None where there is none.
    """

    what: str
    figure: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    most: float | None = None
    most_ratio: float | None = None


def p95(values: Sequence[float]) -> float:
    """The 95th percentile by nearest rank: the least value that 95 % of the values do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def both(
    what: str,
    ours: Sequence[float],
    theirs: Sequence[float] = (),
    *,
    unit: str,
    most: float | None = None,
    most_ratio: float | None = None,
) -> list[Row]:
    """Two rows: the median, with the goal for the ratio, and the 95th percentile, with the goal for the figure.

    `theirs` are the baseline's runs, each next to one of `ours`. The first row's ratio is the median of the pairs'
    ratios: what slows the machine for a while slows both. Of a baseline that reaches 0 there is no ratio.
    """
    middle = Row(f"{what}: median", statistics.median(ours), unit, most_ratio=most_ratio)
    high = Row(f"{what}: p95", p95(ours), unit, most=most)
    if not theirs:
        return [middle, high]
    middle, high = middle._replace(baseline=statistics.median(theirs)), high._replace(baseline=p95(theirs))
    if min(theirs) <= 0:
        return [middle, high]
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return [middle._replace(ratio=ratio), high._replace(ratio=high.figure / p95(theirs))]


def show(rows: Sequence[Row]) -> None:
    """Print the machine and the rows as a Markdown table."""
    print(f"\n{machine()}\n")
    print("| what | figure | baseline | ratio | goal | |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        goal, met = "–", ""
        if row.most is not None:
            goal, met = f"≤ {_number(row.most)} {row.unit}", _met(row.figure, row.most)
        elif row.most_ratio is not None and row.ratio is not None:
            goal, met = f"ratio ≤ {row.most_ratio}", _met(row.ratio, row.most_ratio)
        baseline = "–" if row.baseline is None else f"{_number(row.baseline)} {row.unit}"
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
        print(f"| {row.what} | {_number(row.figure)} {row.unit} | {baseline} | {ratio} | {goal} | {met} |")


def _met(value: float, most: float) -> str:
    return "met" if value <= most else "**missed**"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def machine() -> str:
    """The machine in one line: processors, model, Python, system, and how busy it is."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    debian = Path("/etc/debian_version")
    system = f"Debian {debian.read_text().strip()}" if debian.exists() else platform.system()
    return f"{os.cpu_count()} × {model}, Python {platform.python_version()}, {system}, load {os.getloadavg()[0]:.1f}"


def runs(description: str, default: int) -> int:
    """The number of runs that the command line asks for."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--runs", type=int, default=default, help="default: %(default)s")
    given: int = parser.parse_args().runs
    return given


@contextmanager
def workplace() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder that goes away again, and an environment in which programs keep their bytecode in it.

    An installed program has bytecode; in a checkout it may be missing or switched off, and then the start of what is
    measured, but not of its baseline, would count the compiling of every module.
    """
    with tempfile.TemporaryDirectory(prefix="earmark-bench-") as name:
        folder = Path(name)
        yield folder, {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def load_speech(home: Path, env: dict[str, str], manifest: Path = SPEECH) -> None:
    """Load a manifest's clips into the store of a new home."""
    command = [sys.executable, "-m", "earmark.tui", "--home", str(home), "load", str(manifest)]
    subprocess.run(command, env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)
