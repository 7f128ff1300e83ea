"""A store in PostgreSQL: decisions pushed and clips leased, against bare COPY and one INSERT a result.

The server runs on this machine and writes through to its disk; its settings are PostgreSQL's own but for its shared
buffers, a quarter of the memory. `--clips N` says how many clips lie in the store, `--runs N` how many thousand
decisions are pushed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from measure import Row, show, workplace

# After measure, which makes the tests' helpers importable.
import psycopg  # isort: skip
from contract.store.tools import Device  # isort: skip
from postgres_server import PostgresServer  # isort: skip

from earmark.queue.decision import Verdict
from earmark.queue.store import postgres_schema
from earmark.queue.store.master import make_master
from earmark.queue.store.postgres import PostgresStore

TEXT = "and mister john dashwood had then leisure to consider how much there might be prudently in his power to do"
BATCH = 500
CLIENTS, PROCESSES, CYCLES, LEASED = 32, 4, 12, 50
PUSHERS = 2


class Team(NamedTuple):
    """A store with clips, and where it is."""

    server: PostgresServer
    database: str
    folder: Path

    def url(self, user: str = "postgres") -> str:
        return self.server.url(self.database, user)

    def admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(), autocommit=True)


@contextmanager
def team(
    clips: int,
    folder: Path,
    people: int = max(CLIENTS, PUSHERS),
    prepare: Callable[[PostgresServer], None] | None = None,
) -> Iterator[Team]:
    """A store with so many clips, whose reviewers are r0, r1, …; `prepare` sees to the server before it starts."""
    # What the README advises for a team's database; huge pages are used where the machine has any.
    quarter = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 >> 20
    server = PostgresServer(durable=True, settings={"shared_buffers": f"{quarter}MB", "max_wal_size": "8GB"})
    if prepare is not None:
        prepare(server)
    server.start()
    try:
        made = Team(server, "bench", folder)
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        postgres_schema.init(
            made.url(), audio=f"file://{folder}/audio", master=lambda: make_master(folder / "master.key")
        )
        for number in range(people):
            postgres_schema.add_person(made.url(), f"r{number}", f"r{number}", supervisor=False)
        grow(made, clips)
        yield made
    finally:
        server.stop()


def server_seconds(team: Team) -> float:
    """Seconds of processor that the server and all its processes have taken, those that ended too."""
    postmaster = int((team.server.data / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, fields = int(path.parent.name), path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if pid == postmaster:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == postmaster:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def grow(team: Team, clips: int) -> None:
    """Bring the store to so many clips."""
    with team.admin() as connection:
        (there,) = connection.execute("SELECT count(*) FROM earmark.clip").fetchone() or (0,)
        connection.execute(
            """INSERT INTO earmark.clip (id, lang, duration, rate, hypothesis, peaks, object)
               SELECT md5(n::text), 'en', 3, 16000, json_build_object('text', %s::text)::text,
                   decode(repeat('a7', 200), 'hex'), md5('object ' || n) FROM generate_series(%s + 1, %s) AS n""",
            (TEXT, there, clips),
        )
        connection.execute(
            """INSERT INTO earmark.work (clip, arrival, lang)
               SELECT id, arrival, 'en' FROM earmark.clip WHERE arrival > %s""",
            (there,),
        )
        connection.execute(
            "INSERT INTO earmark.clip_key (clip, key) SELECT id, '\\x00' FROM earmark.clip WHERE arrival > %s", (there,)
        )
        connection.execute("VACUUM ANALYZE")
        # What was filled in is written out before anything is measured, and each size begins right after a checkpoint.
        connection.execute("CHECKPOINT")
    os.sync()


def decided(who: str, clips: list[str]) -> Device:
    """A journal with a correction of each clip."""
    device = Device(f"device of {who}", who)
    for clip in clips:
        device.decide(clip, Verdict.CORRECTED, TEXT, lease="0" * 32, heard=0.97, plays=2, seconds=14.2, keys=37)
    return device


def pushed(url: str, device: Device) -> float:
    """Seconds to push a journal, a batch at a time, each waiting for the one before."""
    store = PostgresStore(url, lease_seconds=900)
    began = time.perf_counter()
    for start in range(0, len(device.lines), BATCH):
        answer = store.push(device.name, device.reviewer, device.lines[start : start + BATCH])
        assert answer.head.seq >= min(start + BATCH, len(device.lines))
        assert answer.quarantined == ()
    took = time.perf_counter() - began
    store.close()
    return took


def owned(team: Team, who: str, count: int, skip: int) -> list[str]:
    """So many clips, leased to a reviewer past the day's bounds."""
    with team.admin() as connection:
        rows = connection.execute(
            """UPDATE earmark.work SET state = 'leased', owner = %s, lease = 'x', lease_until = earmark.clock() + 9999
               WHERE clip IN (SELECT clip FROM earmark.work ORDER BY arrival LIMIT %s OFFSET %s) RETURNING clip""",
            (who, count, skip),
        ).fetchall()
        connection.execute("VACUUM ANALYZE earmark.work")
    return [clip for (clip,) in rows]


def baselines(team: Team, device: str) -> tuple[float, float]:
    """Seconds a row for the lines of a device into a table like the store's own: by bare COPY, and one INSERT each."""
    with team.admin() as connection:
        connection.execute("DROP TABLE IF EXISTS earmark.bare")
        connection.execute("CREATE TABLE earmark.bare (LIKE earmark.line INCLUDING ALL)")
        columns = "device, seq, id, reviewer, clip, verdict, late, chain, envelope, payload"
        rows = connection.execute(
            f"SELECT {columns} FROM earmark.line WHERE device = %s ORDER BY seq".encode(), (device,)
        ).fetchall()
        began = time.perf_counter()
        for start in range(0, len(rows), BATCH):
            with connection.cursor().copy(f"COPY earmark.bare ({columns}) FROM STDIN".encode()) as copy:
                for row in rows[start : start + BATCH]:
                    copy.write_row(row)
        bare = (time.perf_counter() - began) / len(rows)
        connection.execute("TRUNCATE earmark.bare")
        some = rows[: max(len(rows) // 10, 1)]
        insert = f"INSERT INTO earmark.bare ({columns}) VALUES ({', '.join(['%s'] * 10)})".encode()
        began = time.perf_counter()
        for row in some:
            connection.execute(insert, row)
        each = (time.perf_counter() - began) / len(some)
        connection.execute("DROP TABLE earmark.bare")
    return bare, each


def pushing(team: Team, thousands: int) -> list[Row]:
    """Decisions through the whole path, and the same rows by bare COPY and by one INSERT each."""
    count = thousands * 1000
    one = decided("r0", owned(team, "r0", count, 0))
    several = [decided(f"r{n + 1}", owned(team, f"r{n + 1}", count, (n + 1) * count)) for n in range(PUSHERS)]
    alone = pushed(team.url("r0"), one) / count
    again = pushed(team.url("r0"), one) / count
    began = time.perf_counter()
    with ProcessPoolExecutor(PUSHERS) as pool:
        list(pool.map(pushed, [team.url(device.reviewer) for device in several], several))
    together = (time.perf_counter() - began) / (count * PUSHERS)
    bare, each = baselines(team, one.name)
    with team.admin() as connection:
        (size,) = connection.execute(
            "SELECT pg_total_relation_size('earmark.line') / (SELECT count(*) FROM earmark.line)"
        ).fetchone() or (0,)
    micro = 1e6
    return [
        Row(f"push, {BATCH} a batch; COPY", alone * micro, "µs/decision", bare * micro, alone / bare, most=100.0),
        Row(f"push, {BATCH} a batch; one INSERT each", alone * micro, "µs/decision", each * micro, alone / each),
        Row(
            f"push by {PUSHERS} at once; COPY",
            together * micro,
            "µs/decision",
            bare * micro,
            together / bare,
            most=100.0,
        ),
        Row("push again of what has arrived; COPY", again * micro, "µs/decision", bare * micro, again / bare),
        Row("a decision in the database, with its indexes", float(size), "B"),
    ]


class Cycle(NamedTuple):
    """Seconds that a lease and a push took."""

    lease: float
    push: float


def reviewing(url: str, who: str) -> tuple[list[Cycle], list[str]]:
    """Lease, decide all, push, give back; over and over. Also says which clips were had."""
    store = PostgresStore(url, lease_seconds=900)
    device = Device(f"second device of {who}", who)
    cycles, had = [], []
    for _ in range(CYCLES):
        began = time.perf_counter()
        clips = [leased.clip.id for leased in store.lease(who, LEASED)]
        leased = time.perf_counter() - began
        assert len(clips) == LEASED
        start = len(device.lines)
        for clip in clips:
            device.decide(clip, Verdict.ACCEPTED, TEXT)
        began = time.perf_counter()
        store.push(device.name, who, device.lines[start:])
        cycles.append(Cycle(leased, time.perf_counter() - began))
        store.release(who, clips)
        had += clips
    store.close()
    return cycles, had


def several(people: list[tuple[str, str]]) -> list[tuple[list[Cycle], list[str]]]:
    """Some of the clients, each in a thread."""
    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(lambda one: reviewing(*one), people))


def only_leasing(url: str, who: str, admin: str) -> list[float]:
    """Milliseconds that each lease took. What was leased is then done with, which is not counted."""
    store = PostgresStore(url, lease_seconds=900)
    took = []
    with psycopg.connect(admin, autocommit=True) as connection:
        for _ in range(CYCLES * 4):
            began = time.perf_counter()
            clips = [leased.clip.id for leased in store.lease(who, LEASED)]
            took.append((time.perf_counter() - began) * 1000)
            assert len(clips) == LEASED
            connection.execute(
                """UPDATE earmark.work SET state = 'done', owner = NULL, lease = NULL, lease_until = NULL
                   WHERE clip = ANY (%s)""",
                (clips,),
            )
    store.close()
    return took


def several_leasing(people: list[tuple[str, str]], admin: str) -> list[list[float]]:
    """Some of the clients, each in a thread."""
    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(lambda one: only_leasing(*one, admin), people))


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def leasing_alone(team: Team) -> list[Row]:
    """One reviewer who leases, and many at once. Only those whose leases are anew are counted."""
    people = [(team.url(f"r{n}"), f"r{n}") for n in range(CLIENTS)]
    with team.admin() as connection:
        connection.execute(
            """UPDATE earmark.work SET owner = NULL, lease = NULL, lease_until = NULL,
                   state = CASE state WHEN 'leased' THEN 'open' ELSE state END
               WHERE owner IS NOT NULL"""
        )
        connection.execute("VACUUM ANALYZE earmark.work")
    alone = only_leasing(*people[0], team.url())
    cpu, began = server_seconds(team), time.perf_counter()
    with ProcessPoolExecutor(PROCESSES) as pool:
        found_alone = pool.map(
            several_leasing, [people[n::PROCESSES] for n in range(PROCESSES)], [team.url()] * PROCESSES
        )
        bare = [one for some in found_alone for ones in some for one in ones]
    rate = len(bare) / (time.perf_counter() - began)
    cpu = (server_seconds(team) - cpu) / len(bare)
    return [
        Row(
            f"lease of {LEASED}, {CLIENTS} clients; alone: median", statistics.median(bare), "ms",
            statistics.median(alone), statistics.median(bare) / statistics.median(alone),
        ),
        Row(
            f"lease of {LEASED}, {CLIENTS} clients; alone: p99", p99(bare), "ms",
            p99(alone), p99(bare) / p99(alone), most=150.0,
        ),
        Row("leases, each then marked as done", rate, "a second"),
        Row("the server's processors for both", cpu * 1000, "ms"),
    ]  # fmt: skip


def leasing(team: Team) -> list[Row]:
    """Many reviewers who lease, push and give back at once."""
    people = [(team.url(f"r{n}"), f"r{n}") for n in range(CLIENTS)]
    rows = leasing_alone(team)
    began = time.perf_counter()
    with ProcessPoolExecutor(PROCESSES) as pool:
        found = [one for some in pool.map(several, [people[n::PROCESSES] for n in range(PROCESSES)]) for one in some]
    took = time.perf_counter() - began
    had = [clip for _, clips in found for clip in clips]
    assert len(had) == len(set(had)) == CLIENTS * CYCLES * LEASED, "a clip went to two"
    leases = [cycle.lease * 1000 for cycles, _ in found for cycle in cycles]
    pushes = [cycle.push * 1000 for cycles, _ in found for cycle in cycles]
    return [
        *rows,
        Row(f"lease of {LEASED} while all push too: median", statistics.median(leases), "ms"),
        Row(f"lease of {LEASED} while all push too: p99", p99(leases), "ms"),
        Row(f"push of {LEASED} meanwhile: median", statistics.median(pushes), "ms"),
        Row(f"push of {LEASED} meanwhile: p99", p99(pushes), "ms"),
        Row("all of it, the clients' own work too", took / len(had) * 1e6, "µs/decision"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=20, help="thousands of decisions")
    given = parser.parse_args()
    with workplace() as (folder, _), team(given.clips, folder) as made:
        rows = [*pushing(made, given.runs), *leasing(made)]
    print(f"{given.clips:,} clips")
    show(rows)


if __name__ == "__main__":
    main()
