"""A simulated day: reviewers lease, decide and sync against one PostgreSQL, as fast as it will go.

    python tests/bench/day.py --clips 100000 1000000 10000000 --reviewers 1000 --decisions 1000

The store grows from one size to the next, and a day is worked at each: by so many reviewers as its open clips give work
to. `--at-once` reviewers are at work at any time, each over a connection and a login of their own, and the next begins
when one has done the day's decisions. Their lines are encoded as the journal does, and go through the same `send` as in
the program, after each lease of 20 to 50 clips; one in ten works offline and sends everything at the end. Meanwhile a
supervisor withdraws clips. Of the requests some never leave, of some the answer is lost with the connection, and some
pushes come twice (`FAULTS`). Server and reviewers share the machine.

What must be: no clip with two reviewers at once, every line in the store exactly once and as it was written, every
payload that should be there, there.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, NamedTuple

from measure import Row, show, workplace
from store import CLIENTS, CYCLES, LEASED, TEXT, Team, baselines, grow, leasing_alone, server_seconds, team

from earmark.queue.decision import HAS_TEXT, Decision, Verdict
from earmark.queue.journal.line import chain_in, encode
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store import postgres_schema
from earmark.queue.store.interface import Head, Leased, Pushed, Quarantined, StoreUnreachable
from earmark.queue.store.postgres import PostgresStore
from earmark.queue.sync import send

PROCESSES = 4
LEASED_ALONE = (CLIENTS + 1) * 4 * CYCLES * LEASED
"""Clips that must be left for leasing and nothing else to be measured as well."""

FAULTS = {"never left": 0.01, "answer lost": 0.01, "twice": 0.02}
"""What part of the requests each fault befalls."""

VERDICTS = {
    Verdict.ACCEPTED: 0.70,
    Verdict.CORRECTED: 0.22,
    Verdict.UNINTELLIGIBLE: 0.03,
    Verdict.SKIPPED: 0.02,
    Verdict.CRITICAL: 0.01,
    Verdict.ESCALATED: 0.02,
}
WITHDRAWN, EVERY = 5, 0.5
"""Clips that are withdrawn at a time, and the pause between (s)."""

OFFLINE = 10
"""One reviewer in so many sends everything at the end."""


class Diary:
    """What sync needs of a journal, in memory: lines as the journal encodes them."""

    def __init__(self, device: str, reviewer: str) -> None:
        self.device, self.reviewer = device, reviewer
        self.written: list[bytes] = []
        self.aside: list[Quarantined] = []
        self.head = Head()

    def decide(self, leased: Leased, verdict: Verdict) -> None:
        text = TEXT if verdict in HAS_TEXT else None
        line = encode(
            Decision(
                id=new_id(), at=told_time(), reviewer=self.reviewer, clip=leased.clip.id, verdict=verdict, text=text,
                lease=leased.lease, shown=leased.clip.hypothesis.text, heard=0.97, plays=2, seconds=14.2, keys=37,
            ),
            device=self.device, seq=len(self.written) + 1, app="0.1.0", previous=self.head.chain,
            salt=os.urandom(16).hex(),
        )  # fmt: skip
        self.written.append(line)
        self.head = Head(len(self.written), chain_in(line))

    def chain_at(self, seq: int) -> str | None:
        return chain_in(self.written[seq - 1]) if 0 < seq <= len(self.written) else None

    def lines(self, after: int, *, most: int = 2000, most_bytes: int = 3 << 19) -> list[bytes]:
        return self.written[after : after + most]

    def set_aside(self, quarantined: Sequence[Quarantined]) -> None:
        self.aside += quarantined

    def quarantine(self) -> Sequence[Quarantined]:
        return self.aside

    def renew_device(self) -> None:
        raise AssertionError("no journal was copied, and no store restored")


class Unsteady:
    """A store behind a line that is lost now and then. Notes how long (s) each request took that was answered."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self._store = PostgresStore(url, lease_seconds=3600)
        self._chance = chance
        self.took: dict[str, list[float]] = {"lease": [], "push": []}
        self.faults: Counter[str] = Counter()

    def lease(self, reviewer: str, count: int) -> list[Leased]:
        return self._asked("lease", lambda: self._store.lease(reviewer, count))

    def push(self, device: str, reviewer: str, lines: Sequence[bytes]) -> Pushed:
        return self._asked("push", lambda: self._store.push(device, reviewer, lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _asked(self, what: str, ask: Callable[[], Any]) -> Any:
        fault = self._chance.choices([*FAULTS, ""], [*FAULTS.values(), 1 - sum(FAULTS.values())])[0]
        self.faults[fault] += 1
        if fault == "never left":
            self._lose()
        began = time.perf_counter()
        answer = ask()
        self.took[what].append(time.perf_counter() - began)
        if fault == "answer lost":
            self._lose()
        return ask() if fault == "twice" and what == "push" else answer

    def _lose(self) -> None:
        connection = self._store._database._connection
        assert connection is not None
        connection.close()
        raise StoreUnreachable("the line is lost")


def persistent(ask: Callable[[], Any]) -> Any:
    """Ask until there is an answer. The program would wait in between."""
    while True:
        try:
            return ask()
        except StoreUnreachable:
            continue


class Worked(NamedTuple):
    """What one reviewer did: the journal's head, the seconds that requests took, how often a fault came, the clips that
    they had, and those of them that they gave up again.
    """

    device: str
    head: Head
    took: dict[str, list[float]]
    faults: Counter[str]
    had: list[str]
    given_up: set[str]


def day(url: str, who: str, device: str, decisions: int, seed: str) -> Worked:
    """One reviewer's day."""
    chance = random.Random(seed)
    store = Unsteady(url, chance)
    diary = Diary(device, who)
    offline = chance.randrange(OFFLINE) == 0
    had: dict[str, None] = {}
    given_up: set[str] = set()
    withdrawn: set[str] = set()
    epoch, waiting = 0, 0
    head: Head | None = None
    while len(diary.written) < decisions:
        epoch, gone = persistent(lambda: store.withdrawn(epoch))  # noqa: B023 - asked at once
        withdrawn.update(gone)
        count = min(chance.randint(20, 50), decisions - len(diary.written))
        if offline:
            count = decisions
        leased = persistent(lambda: store.lease(who, count))  # noqa: B023 - asked at once
        assert leased, "the store has no more clips"
        had.update(dict.fromkeys(one.clip.id for one in leased))
        for one in leased:
            if one.clip.id not in withdrawn:
                verdict = chance.choices(list(VERDICTS), list(VERDICTS.values()))[0]
                diary.decide(one, verdict)
                if verdict is Verdict.SKIPPED:
                    given_up.add(one.clip.id)
        # As the program does: the cursor is asked for once, and then known from the answers.
        sent = persistent(lambda: send(diary, store, since=head, noted=head is not None))  # type: ignore[arg-type]  # noqa: B023
        head = sent.head
        waiting = max(waiting, sent.unsent)
    assert waiting == 0
    assert diary.aside == []
    store.close()
    return Worked(device, diary.head, store.took, store.faults, list(had), given_up)


def days(people: list[tuple[str, str, str, int, str]], at_once: int) -> tuple[list[Worked], float]:
    """Some of the reviewers, so many at once, each in a thread. Also the seconds of processor that this took."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda one: day(*one), people)), time.process_time()


class Withdrawals:
    """A supervisor who withdraws clips until told to stop."""

    def __init__(self, made: Team) -> None:
        self._store = PostgresStore(made.url("boss"), lease_seconds=60)
        self._made = made
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.count = 0

    def __enter__(self) -> Withdrawals:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._store.close()

    def _work(self) -> None:
        # From among those that somebody has, or is about to have.
        with self._made.admin() as connection:
            while not self._done.wait(EVERY):
                rows = connection.execute(
                    """(SELECT clip FROM earmark.work WHERE lease_until IS NOT NULL LIMIT %(count)s)
                       UNION ALL (SELECT clip FROM earmark.work WHERE open ORDER BY priority DESC, arrival
                                  OFFSET 2000 LIMIT 1)""",
                    {"count": WITHDRAWN - 1},
                ).fetchall()
                self.count += self._store.withdraw([clip for (clip,) in rows])


def faults_in(made: Team, worked: list[Worked]) -> dict[str, int]:
    """What must not be, counted: in the store, against what was written."""
    holders: Counter[str] = Counter()
    for one in worked:
        holders.update(clip for clip in one.had if clip not in one.given_up)
    heads = {one.device: one.head for one in worked}
    with made.admin() as connection:
        found = {
            device: (count, distinct, first, last, chain)
            for device, count, distinct, first, last, chain in connection.execute(
                """SELECT device, count(*), count(DISTINCT id), min(seq), max(seq),
                       (array_agg(chain ORDER BY seq DESC))[1]
                   FROM earmark.line WHERE device = ANY (%s) GROUP BY device""",
                (list(heads),),
            )
        }
        (spoilt,) = connection.execute(
            """SELECT count(*) FROM earmark.line JOIN earmark.work ON work.clip = line.clip
               WHERE device = ANY (%s) AND CASE
                   WHEN work.state IN ('withdrawn', 'critical') THEN payload IS NOT NULL
                   ELSE encode(sha256(convert_to(payload, 'UTF8')), 'hex') IS DISTINCT FROM envelope::jsonb ->> 'commit'
               END""",
            (list(heads),),
        ).fetchone() or (0,)
    lost = sum(max(0, head.seq - found.get(device, (0,))[0]) for device, head in heads.items())
    doubled = sum(max(0, found.get(device, (0,))[0] - head.seq) for device, head in heads.items())
    other = sum(found.get(device) != (head.seq, head.seq, 1, head.seq, head.chain) for device, head in heads.items())
    return {
        "clips that two had at once": sum(count > 1 for count in holders.values()),
        "decisions lost": lost,
        "decisions doubled": doubled,
        "journals that are not as written": other,
        "payloads that are not as written": spoilt,
    }


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def measured(made: Team, size: int, reviewers: int, decisions: int, at_once: int) -> list[Row]:
    """A day at one size of the store. Raises `AssertionError` where something was lost, doubled or shared."""
    with made.admin() as connection:
        (before,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    people = [
        (made.url(f"r{n}"), f"r{n}", f"day at {size} of r{n}", decisions, f"{size} {n}") for n in range(reviewers)
    ]
    cpu, began = server_seconds(made), time.perf_counter()
    with Withdrawals(made) as withdrawals, ProcessPoolExecutor(PROCESSES) as pool:
        parts = [people[n::PROCESSES] for n in range(PROCESSES)]
        done = list(pool.map(days, parts, [at_once // PROCESSES] * PROCESSES))
        took = time.perf_counter() - began
        cpu = server_seconds(made) - cpu
    worked = [one for some, _ in done for one in some]
    generator = sum(seconds for _, seconds in done)
    count = sum(one.head.seq for one in worked)
    with made.admin() as connection:
        (after,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        (left,) = connection.execute("SELECT count(*) FROM earmark.work WHERE state = 'open'").fetchone() or (0,)
    wrong = faults_in(made, worked)
    leases = [seconds * 1000 for one in worked for seconds in one.took["lease"]]
    pushes = [seconds * 1000 for one in worked for seconds in one.took["push"]]
    faults = sum((one.faults for one in worked), Counter[str]())
    print(
        f"\n{size:,} clips: {reviewers} reviewers, {count:,} decisions in {took:.0f} s; "
        f"{withdrawals.count} clips withdrawn; " + ", ".join(f"{name} {faults[name]}" for name in FAULTS)
    )
    print(", ".join(f"{name}: {number}" for name, number in wrong.items()), flush=True)
    assert not any(wrong.values()), wrong
    processors = os.cpu_count() or 1
    bare, each = baselines(made, worked[0].device)
    micro = 1e6
    return [
        Row("decisions a second", count / took, "", 1 / bare, count / took * bare),
        Row("the same; one INSERT each", count / took, "", 1 / each, count / took * each),
        Row("the server's processors", cpu / count * micro, "µs/decision"),
        Row("the generator's processors", generator / count * micro, "µs/decision"),
        Row("the generator's share of the machine", generator / took / processors * 100, "%"),
        Row("the server's share of the machine", cpu / took / processors * 100, "%"),
        Row("lease of 20 to 50: median", statistics.median(leases), "ms"),
        Row("lease of 20 to 50: p99", p99(leases), "ms"),
        Row("push of 20 to 50, or 1,000: median", statistics.median(pushes), "ms"),
        Row("push of 20 to 50, or 1,000: p99", p99(pushes), "ms"),
        Row("the database grew by", (after - before) / count, "B/decision"),
        Row("the database", after / 1e9, "GB"),
        *(leasing_alone(made) if left > LEASED_ALONE else []),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[100_000], help="sizes of the store, growing")
    parser.add_argument("--reviewers", type=int, default=1000)
    parser.add_argument("--decisions", type=int, default=1000, help="of each reviewer")
    parser.add_argument("--at-once", type=int, default=32)
    given = parser.parse_args()
    with workplace() as (folder, _), team(0, folder, people=given.reviewers) as made:
        postgres_schema.add_person(made.url(), "boss", "boss", supervisor=True)
        for size in given.clips:
            began = time.perf_counter()
            grow(made, size)
            print(f"\nfilled to {size:,} clips in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            with made.admin() as connection:
                (open_,) = connection.execute("SELECT count(*) FROM earmark.work WHERE state = 'open'").fetchone() or (
                    0,
                )
            # The rest is for what is skipped, withdrawn, and leased for nothing but the figure.
            reviewers = min(given.reviewers, int(open_ * 0.6) // given.decisions)
            show(measured(made, size, reviewers, given.decisions, given.at_once))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
