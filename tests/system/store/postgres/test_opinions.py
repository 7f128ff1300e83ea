"""What every store keeps to, here in PostgreSQL under roles that may do nothing else; and as SQLite does it."""

from __future__ import annotations

import contextlib
import random
import sqlite3

import psycopg
import pytest

from contract.store.opinions import *  # noqa: F403
from earmark.queue.decision import Verdict
from earmark.queue.journal.line import Reason
from earmark.queue.store.sqlite import SqliteStore

CLIPS, STEPS = 8, 120
PEOPLE = ("anna", "ben", "cleo")
KEPT = """
    SELECT count(*) FROM {} WHERE state IN ('open', 'leased') AND owner IS NOT NULL AND (state = 'open') <> {}
"""
"""Clips that are open under an owner who has no opinion on them, or leased to one who has."""


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_asked_both_kinds_of_store_answer_alike(team, store, device, seed, tmp_path, incoming, clock):
    """Leases, decisions, second thoughts, time that passes and other numbers that are wanted, at random."""
    chance = random.Random(seed)
    folder = tmp_path / "other"
    with (
        contextlib.closing(
            SqliteStore(folder, lease_seconds=900, critical_hold=7 * 86400, clock=lambda: clock.now)
        ) as other,
        psycopg.connect(team.server.url(team.database), autocommit=True, options="-c search_path=earmark") as sound,
    ):
        # Opened before, so that both have the same rows in the same order.
        clips = []
        for one in (store, other):
            list(one.add(incoming(n) for n in range(CLIPS)))
            leased = one.lease("anna", CLIPS)
            clips.append([one.clip.id for one in leased])
            one.release("anna", clips[-1])
        devices = [{who: device(who) for who in PEOPLE} for _ in range(2)]

        def ask(number, one, what, who, places, count, verdict):
            """The answer, the clips by their places."""
            ids = [clips[number][place] for place in places]
            if what == "lease":
                leased = one.lease(who, count, first=ids[:count] if count % 2 else (), seconds=900 * (1 + count % 3))
                return [clips[number].index(each.clip.id) for each in leased]
            if what == "reopen":
                return sorted(clips[number].index(each.clip.id) for each in one.reopen(who, ids))
            if what == "renew":
                return sorted(clips[number].index(clip) for clip in one.renew(who, ids))
            if what == "release":
                return one.release(who, ids)
            if what == "want":
                return one.want_opinions(1 + count % 3)
            writer = devices[number][who]
            if what == "erase":
                writer.erase(ids[0], Reason.CRITICAL)
            else:
                for clip in ids[: 1 + count % 3]:
                    writer.decide(clip, verdict, lease="lease")
            before = one.head(writer.name).seq if number else team.open(who).head(writer.name).seq
            return [each.reason for each in one.push(writer.name, who, writer.lines[before:]).quarantined]

        likely = ["decide"] * 8 + ["lease"] * 6 + ["release"] * 3 + ["reopen", "renew"] * 2 + ["want", "erase", "wait"]
        verdicts = [Verdict.ACCEPTED] * 6 + [Verdict.RETRACTED] * 2 + list(Verdict)
        for step in range(STEPS):
            what, who, count = chance.choice(likely), chance.choice(PEOPLE), chance.randrange(1, CLIPS)
            places = chance.sample(range(CLIPS), 4)
            if what == "wait":
                clock.now += 300 * count
                continue
            verdict = chance.choice(verdicts)
            asked = (step, what, who, places, count, verdict)
            answers = [ask(number, one, *asked[1:]) for number, one in enumerate((store, other))]
            assert answers[0] == answers[1], asked
            for who in PEOPLE:
                assert store.counts(who) == other.counts(who), asked
            assert sound.execute(KEPT.format("work", "opined(owner, clip)")).fetchall() == [(0,)], asked
        with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection:
            opined = "EXISTS (SELECT 1 FROM opinion WHERE opinion.clip = clip.id AND opinion.reviewer = owner)"
            assert connection.execute(KEPT.format("clip", opined)).fetchall() == [(0,)]
        results = [
            [
                (known.index(result.clip), result.reviewer, result.verdict, result.text)
                for every in (False, True)
                for result in one.results(frozenset(Verdict), every_revision=every)
            ]
            for known, one in zip(clips, (store, other), strict=True)
        ]
        assert results[0] == results[1]
