"""The memory store is the model of the SQLite store: whatever is done to both, they answer alike."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from operator import methodcaller
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from penstock.engine.events import RetryDue
from penstock.errors import PenstockError
from penstock.store.base import Lease, RunChange, Store
from penstock.store.memory import MemoryStore
from penstock.store.schedules import TickRow
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import new_run
from penstock.testing.store_schedules import due_run, new_schedule

ids = st.sampled_from(["a", "ab", "abc", "b", "ä", "a%"])
plans = st.sampled_from(["p", "q", "r"])
maybe = st.none() | st.floats(0, 9)
changes = st.builds(
    RunChange,
    state=st.none() | st.sampled_from(["running", "failed", "waiting", "waiting"]),
    tasks=st.none() | st.integers(0, 9),
    started_at=maybe,
    ended_at=maybe,
    error=st.none() | st.sampled_from(["", "why"]),
    counts=st.none() | st.just("{}"),
    undelivered=st.none() | st.integers(0, 2),
    reopened=st.booleans(),
    wake_at=maybe,
)
pools = st.sampled_from(["p", "q", "ä"])
workflows = st.sampled_from("vw")
times = st.integers(0, 9).map(float)
schedules = st.builds(new_schedule, workflows, upto=times, version=st.sampled_from(["1", "2"]), paused=st.booleans())


class Agreement(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stores: list[Store] = [MemoryStore(), SQLiteStore(Path(self.folder.name) / "store")]
        self.leases: list[list[Lease]] = []

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    def both(self, call: Callable[[Store], Any]) -> list[Any]:
        answers = []
        for store in self.stores:
            try:
                answers.append(call(store))
            except PenstockError as error:
                answers.append(type(error))
        return answers

    def same(self, call: Callable[[Store], Any]) -> None:
        one, other = self.both(call)
        assert one == other

    @rule(
        id=ids,
        plan=plans,
        workflow=workflows,
        at=st.integers(0, 3),
        parent=st.none() | ids,
        logical_at=st.none() | times,
    )
    def create(self, id, plan, workflow, at, parent, logical_at):
        part = {"parent": parent, "part": parent and "[]"}
        row = new_run(id, plan=plan, workflow=workflow, created_at=float(at), logical_at=logical_at, **part)
        self.same(lambda store: store.create_run(row, plan.encode()))

    @rule(id=ids, plan=plans, at=st.integers(0, 3), logical_at=st.none() | times)
    def start(self, id, plan, at, logical_at):
        row = new_run(id, plan=plan, workflow="v", created_at=float(at), logical_at=logical_at)
        self.lease(lambda store: store.start_run(row, plan.encode()))

    @rule(id=ids, plan=plans)
    def add_plan(self, id, plan):
        self.same(lambda store: store.add_plan(id, plan, plan.encode()))

    @rule(id=ids)
    def acquire(self, id):
        self.lease(lambda store: store.acquire(id))

    def lease(self, call):
        one, other = self.both(call)
        if isinstance(one, type):
            assert one == other
        else:
            assert (one.run_id, one.token) == (other.run_id, other.token)
            self.leases.append([one, other])

    @rule(which=st.integers(0, 99))
    def release(self, which):
        for lease in self.pick(which):
            lease.release()

    @rule(
        which=st.integers(0, 99),
        events=st.lists(st.builds(RetryDue, st.integers(0, 9), st.floats(0, 9)), max_size=3),
        change=st.none() | changes,
        taken=st.lists(st.integers(1, 5), max_size=2),
        safe=st.booleans(),
    )
    def append(self, which, events, change, taken, safe):
        leases = dict(zip(map(id, self.stores), self.pick(which), strict=False))
        if leases:
            self.same(lambda store: store.append(leases[id(store)], events, change=change, taken=taken, safe=safe))

    @rule(id=ids, body=st.sampled_from(["{}", '{"a": 1}']))
    def post(self, id, body):
        self.same(lambda store: store.post(id, "mark", body))

    @rule(id=ids)
    def delete(self, id):
        self.same(lambda store: store.delete_run(id))

    @rule(name=pools, slots=st.integers(0, 4))
    def set_pool(self, name, slots):
        self.same(lambda store: store.set_pool(name, slots))

    @rule(name=pools)
    def delete_pool(self, name):
        self.same(lambda store: store.delete_pool(name))

    @rule(
        which=st.integers(0, 99),
        pool=pools,
        wanted=st.integers(0, 5),
        used=st.integers(0, 5),
        capacity=st.none() | st.integers(0, 4),
        priority=st.integers(-1, 1),
    )
    def claim(self, which, pool, wanted, used, capacity, priority):
        leases = dict(zip(map(id, self.stores), self.pick(which), strict=False))
        wish = {"used": min(used, wanted), "capacity": capacity, "priority": priority}
        if leases:
            self.same(lambda store: store.claim(leases[id(store)], pool, wanted, **wish))

    @rule(rows=st.lists(schedules, max_size=2))
    def put_schedules(self, rows):
        self.same(lambda store: store.put_schedules(rows))

    @rule(workflow=workflows, paused=st.booleans())
    def pause(self, workflow, paused):
        self.same(lambda store: store.pause(workflow, paused))

    @rule(workflow=workflows)
    def forget_schedule(self, workflow):
        self.same(lambda store: store.forget_schedule(workflow))

    @rule(
        workflow=workflows,
        upto_was=times,
        steps=st.integers(1, 3).map(float),
        runs=st.lists(st.tuples(ids, times, plans), max_size=3, unique_by=lambda run: run[0]),
        missed=st.lists(st.tuples(times, times, st.sampled_from(["skipped", "collapsed"])), max_size=2),
    )
    def decide(self, workflow, upto_was, steps, runs, missed):
        made = [
            (due_run(id, at, workflow=workflow, plan=plan, created_at=at % 3), plan.encode()) for id, at, plan in runs
        ]
        noted = [TickRow(what, min(one, other), max(one, other), 2, None, 1.0) for one, other, what in missed]
        self.same(lambda store: store.decide(workflow, upto_was, upto_was + steps, made, noted))

    @rule(keep=st.integers(0, 6))
    def merge_ticks(self, keep):
        self.same(lambda store: store.merge_ticks(keep))

    @rule(
        workflow=workflows,
        limit=st.none() | st.integers(0, 3),
        before=st.none() | st.tuples(times, st.sampled_from(["", "created", "skipped"])),
    )
    def list_ticks(self, workflow, limit, before):
        self.same(lambda store: store.ticks(workflow, limit=limit, before=before))

    @rule(
        workflow=st.none() | workflows,
        limit=st.none() | st.integers(0, 3),
        states=st.none() | st.lists(st.sampled_from(["queued", "running", "failed", "waiting"])),
        trigger=st.none() | st.sampled_from(["manual", "schedule"]),
        since=st.none() | times,
        before=st.none() | st.tuples(times, ids),
    )
    def list_a_page(self, workflow, limit, states, trigger, since, before):
        chosen = {"states": states, "trigger": trigger, "since": since, "before": before}
        self.same(lambda store: store.runs(workflow, limit=limit, **chosen))

    @rule(id=ids, after=st.integers(-1, 5))
    def read(self, id, after):
        self.same(lambda store: list(store.read(id, after)))

    @rule(id=ids)
    def list_children(self, id):
        self.same(lambda store: store.children(id))

    @rule(name=pools)
    def list_users(self, name):
        self.same(lambda store: [replace(use, since=None) for use in store.pool_users(name)])

    @rule(workflow=st.none() | st.sampled_from("vw"), limit=st.none() | st.integers(0, 3))
    def list_runs(self, workflow, limit):
        self.same(lambda store: store.runs(workflow, limit=limit))

    @invariant()
    def all_is_alike(self):
        self.same(lambda store: store.runs())
        self.same(lambda store: store.unfinished())
        self.same(lambda store: store.due(5.0))
        self.same(lambda store: store.pools())
        self.same(lambda store: store.schedules())
        self.same(lambda store: store.newest_runs())
        self.same(lambda store: store.run_counts())
        for workflow in "vw":
            self.same(lambda store: store.ticks(workflow))  # noqa: B023
            self.same(lambda store: store.active_runs(workflow))  # noqa: B023
        for plan in "pqr":
            self.same(methodcaller("plan", plan))
        for id in ("a", "ab", "abc", "b", "ä", "a%", "z"):
            self.same(methodcaller("run", id))
            self.same(lambda store: [(message.kind, message.body) for message in store.messages(id)])  # noqa: B023
            self.same(lambda store: store.holder(id) is None)  # noqa: B023

    def pick(self, which: int) -> list[Lease]:
        return self.leases[which % len(self.leases)] if self.leases else []


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=30, stateful_step_count=30)
