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
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import new_run

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

    @rule(id=ids, plan=plans, workflow=st.sampled_from("vw"), at=st.integers(0, 3), parent=st.none() | ids)
    def create(self, id, plan, workflow, at, parent):
        row = new_run(id, plan=plan, workflow=workflow, created_at=float(at), parent=parent, part=parent and "[]")
        self.same(lambda store: store.create_run(row, plan.encode()))

    @rule(id=ids, plan=plans, at=st.integers(0, 3))
    def start(self, id, plan, at):
        row = new_run(id, plan=plan, created_at=float(at))
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
