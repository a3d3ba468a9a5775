"""Whoever watches must be able to see: each invariant is broken on purpose, in the real code, and the harness says so.

A bug is planted by putting another method into the place of one of the engine's, the driver's or a store's. The run
that it spoils is then looked at as any other: by the audit of its journal, by `penstock db check`, by the conformance
suites, by the simulation, or by the checks of the fault campaigns. What the invariants say stands in
penstock.engine.audit.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock import WorkflowManager, task, workflow
from penstock.engine import audit as audit_module
from penstock.engine.again import Again
from penstock.engine.audit import Audit
from penstock.engine.columns import FAILED, SUCCESS, UPSTREAM_FAILED, Columns
from penstock.engine.commands import DispatchTasks
from penstock.engine.events import AttemptStarted, Event
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.plan.codec import decode
from penstock.results.files import FileResults, FileWriter
from penstock.results.memory import MemoryResults, MemoryWriter
from penstock.runtime import stepping, takeover
from penstock.runtime.driver import RunDriver
from penstock.runtime.journal import JournalWriter
from penstock.runtime.run_check import check_run
from penstock.store import chain
from penstock.store.memory import MemoryStore
from penstock.testing.results_conformance import ResultsConformance
from penstock.testing.store_conformance import StoreConformance
from penstock.testing.store_samples import new_run
from tests.faults import planted, test_store_damage
from tests.integration import test_secrets
from tests.simulation import test_planted_bugs_driver, test_random_runs
from tests.simulation.plans import make_plan
from tests.simulation.simulator import Simulation

ROOT = Path(__file__).parents[2]
NOT_YET = {"I3", "I14"}
"""They speak of schedules, of which there are none."""
ELSEWHERE = {
    "I4": (test_planted_bugs_driver, "one_slot_too_many"),
    "I17": (test_secrets, "test_a_secret_is_found_nowhere"),
}
"""Where else they are broken, or looked after."""
PLANTED: dict[str, list[str]] = {}
"""Invariant -> the tests below that break it."""

Plant = Callable[[Any, str, Any], None]
Patch = pytest.MonkeyPatch


def breaks(*rules: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Notes which invariants a test breaks."""

    def noted(test: Callable[..., None]) -> Callable[..., None]:
        for rule in rules:
            PLANTED.setdefault(rule, []).append(test.__name__)
        return test

    return noted


# --- How a run is spoiled, and looked at


@pytest.fixture
def manager() -> Iterator[WorkflowManager]:
    """Runs in memory."""
    with WorkflowManager("memory", "threads", workers=2, observers=[]) as manager:
        yield manager


def spoiled(manager: WorkflowManager, flow: Any, plant: dict[tuple[Any, str], Any], *more: str) -> list[str]:
    """What is found of a run, done while some methods are others, and resumed or run again so meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for (owner, name), planted in plant.items():
            patch.setattr(owner, name, planted)
        manager.run(flow, raise_on_failure=False)
        for way in more:
            getattr(manager, way)(workflow=flow, raise_on_failure=False)
    return audited(manager)


def audited(manager: WorkflowManager) -> list[str]:
    """What the audit of the newest run finds."""
    store = manager.parts.store
    [row] = store.runs(limit=1)
    audit = Audit(decode(store.plan(row.plan)))
    found = [line for _, events in store.read(row.id) for event in events for line in audit.see(event)]
    return found + audit.end(row.state)


def simulated(engine: RunEngine, scripts: Sequence[tuple[str, ...]], **how: Any) -> list[str]:
    """What is found of a simulated run: by what watches it, or by the audit of its journal."""
    run = Simulation(engine.plan, scripts, seed=1, workers=2, engine=engine, **how)
    audit = Audit(engine.plan)
    try:
        run.begin()
    except AssertionError as error:
        return [str(error)]
    return [line for event in run.journal for line in audit.see(event)]


def blamed(found: Sequence[str], message: str) -> bool:
    """Whether one of the lines says so."""
    return any(re.search(message, line) for line in found)


# --- Tasks


@task
def one() -> int:
    return 1


@task
def two() -> int:
    return 2


@task
def total(first: int, second: int) -> int:
    return (first or 0) + (second or 0)


@task
def fails(number: int | None = None) -> int:
    raise ValueError("no")


@workflow
def joined() -> None:
    total(one(), fails.named("second")())


@workflow
def failing() -> None:
    fails(one())


# --- The bugs


@breaks("I1")
def test_a_task_that_starts_when_its_first_upstream_has_succeeded(manager: WorkflowManager) -> None:
    lay_out = Columns._lay_out

    def hasty(self: Columns, plan: Any) -> None:
        lay_out(self, plan)
        for number, count in enumerate(self.missing):
            self.missing[number] = min(count, 1)

    @task(retries=1, retry_delay=0.05)
    def late() -> int:
        if not begun.is_set():
            raise ValueError("not yet")
        return 2

    @task
    def sum_up(first: int, second: int) -> None:
        begun.set()

    @workflow
    def flow() -> None:
        sum_up(one(), late())

    begun = threading.Event()
    found = spoiled(manager, flow, {(Columns, "_lay_out"): hasty})
    assert blamed(found, "^I1: task 'sum_up' started before task 'late' had succeeded")


@breaks("I2")
def test_a_resumption_that_runs_again_what_has_succeeded(manager: WorkflowManager) -> None:
    def too_much(self: Again, slots: Iterable[int]) -> None:
        self._reset(self._those(SUCCESS, FAILED, UPSTREAM_FAILED))

    found = spoiled(manager, failing, {(Again, "_set_going"): too_much}, "resume")
    assert blamed(found, "^I2: task 'one' started after it had ended as success")


@breaks("I2")
def test_a_task_that_is_tried_again_without_its_pause(manager: WorkflowManager) -> None:
    @task(retries=1, retry_delay=3600.0)
    def impatient() -> None:
        raise ValueError("no")

    @workflow
    def flow() -> None:
        impatient()

    failed = RunEngine._attempt_failed

    def at_once(self: RunEngine, event: Any) -> Any:
        commands = failed(self, event)
        if self.task_state(event.task) is TaskState.RETRYING:
            self.states[event.task] = TaskState.READY
            return (DispatchTasks([event.task]),)
        return commands

    found = spoiled(manager, flow, {(RunEngine, "_attempt_failed"): at_once})
    assert blamed(found, "^I2: task 'impatient' started before its next attempt was due")


@breaks("I5")
def test_a_task_that_is_dispatched_twice(manager: WorkflowManager) -> None:
    obey = RunDriver._obey
    both = threading.Barrier(2)

    @task
    def body() -> None:
        both.wait(30)

    @workflow
    def flow() -> None:
        body()

    def twice(self: RunDriver, command: Any) -> None:
        obey(self, command)
        if type(command) is DispatchTasks:
            obey(self, command)

    def credulous(self: RunEngine, event: AttemptStarted) -> Any:
        self.states[event.task] = TaskState.RUNNING
        self.attempts[event.task] = event.attempt
        return ()

    plant = {(RunDriver, "_obey"): twice, (RunEngine, "_attempt_started"): credulous}
    found = spoiled(manager, flow, plant)
    assert blamed(found, "^I5: task 'body' started while attempt 1 was under way")


@breaks("I5")
def test_a_store_that_lets_a_driver_write_that_has_lost_its_run() -> None:
    class Unfenced(MemoryStore):
        def append(self, lease: Any, events: Sequence[Event], **how: Any) -> None:
            self._runs[lease.run_id].lease = lease
            super().append(lease, events, **how)

    store = Unfenced()
    store.create_run(new_run(), b"a plan")
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        StoreConformance().test_a_lease_that_was_given_back_writes_nothing(store)


@breaks("I6")
def test_a_task_whose_failures_are_not_counted(manager: WorkflowManager) -> None:
    failed = RunEngine._attempt_failed
    times = iter(range(4))

    @task(retries=1)
    def stubborn() -> None:
        if next(times) < 3:
            raise ValueError("no")

    @workflow
    def flow() -> None:
        stubborn()

    def forgetful(self: RunEngine, event: Any) -> Any:
        self.failures.clear()
        return failed(self, event)

    found = spoiled(manager, flow, {(RunEngine, "_attempt_failed"): forgetful})
    assert blamed(found, r"^I6: task 'stubborn' started again after its last attempt \(2 failed, 0 lost\)")


@breaks("I6")
def test_a_task_that_may_kill_its_worker_for_ever(monkeypatch: Patch) -> None:
    monkeypatch.setattr(RunEngine, "_count_lost", lambda self, task: False)
    found = simulated(RunEngine(make_plan([[]]), run_id="run"), [("lost",) * 4 + ("success",)])
    assert blamed(found, r"^I6: task 't0' started again after its last attempt \(0 failed, 3 lost\)")


@breaks("I7")
def test_a_task_that_is_resumed_though_it_may_run_once(manager: WorkflowManager) -> None:
    @task(at_most_once=True)
    def pay() -> None:
        raise ValueError("the bank did not answer")

    @workflow
    def flow() -> None:
        pay()

    found = spoiled(manager, flow, {(Columns, "is_spent"): lambda self, task: False}, "resume")
    assert blamed(found, "^I7: task 'pay' started twice in one generation")


@breaks("I8")
def test_a_success_whose_start_is_not_on_record(manager: WorkflowManager) -> None:
    add = JournalWriter.add

    def without_starts(self: JournalWriter, event: Event, *more: Any, **how: Any) -> None:
        if not isinstance(event, AttemptStarted):
            add(self, event, *more, **how)

    found = spoiled(manager, failing, {(JournalWriter, "add"): without_starts})
    assert blamed(found, "^I8: attempt 1 of task 'one' ended and had never started")


@breaks("I9", "I10")
def test_a_store_that_acknowledges_and_forgets() -> None:
    class Forgetful(MemoryStore):
        def append(self, lease: Any, events: Sequence[Event], **how: Any) -> None:
            super().append(lease, events[:1], **how)

    store = Forgetful()
    store.create_run(new_run(), b"a plan")
    with pytest.raises(AssertionError):
        StoreConformance().test_batches_come_back_in_order_and_unchanged(store, store.acquire("run-1"))


@breaks("I10")
def test_a_driver_that_says_otherwise_than_its_journal(manager: WorkflowManager) -> None:
    end_of = takeover.end_of
    found = spoiled(manager, failing, {(stepping, "end_of"): lambda engine: replace(end_of(engine), state="success")})
    assert blamed(found, "the run is on record as success, and ended as failed")
    checked = check_run(manager.parts.store, manager.get().id)
    assert checked is not None
    assert ("row", "its row says that it is success, its journal failed") in checked.problems


@breaks("I10")
def test_a_notice_that_nothing_has_caused(manager: WorkflowManager) -> None:
    @task(on_success=lambda notice: None)
    def told() -> None: ...

    @workflow
    def flow() -> None:
        told()

    deliver = RunDriver._note_delivery

    def mistaken(self: RunDriver, event: Any) -> None:
        deliver(self, replace(event, notice=event.notice.replace("success", "failed")))

    found = spoiled(manager, flow, {(RunDriver, "_note_delivery"): mistaken})
    assert blamed(found, "^I10: notice '.*/told/0/1/task_failed' was taken, and nothing had happened that it tells")


@breaks("I11")
def test_an_engine_that_forgets_who_is_ready(monkeypatch: Patch) -> None:
    succeeded = RunEngine._attempt_succeeded

    def silent(self: RunEngine, event: Any) -> Any:
        return [command for command in succeeded(self, event) if not isinstance(command, DispatchTasks)]

    monkeypatch.setattr(RunEngine, "_attempt_succeeded", silent)
    found = simulated(RunEngine(make_plan([[], [0]]), run_id="run"), [("success",)] * 2)
    assert blamed(found, "nothing is left to do, and the run has not ended")


@breaks("I11")
def test_a_run_that_ends_at_its_first_failure() -> None:
    fail = RunEngine._fail

    @task(retries=1, retry_delay=3600.0)
    def waits() -> None:
        raise ValueError("not yet")

    @workflow
    def flow() -> None:
        waits()
        fails()

    def final(self: RunEngine, tasks: Sequence[int], at: float) -> Any:
        return (*fail(self, tasks, at), *self._end(at))

    with WorkflowManager("memory", "inline", observers=[]) as inline:
        found = spoiled(inline, flow, {(RunEngine, "_fail"): final})
    assert blamed(found, "^I11: the run ended while task 'waits' was retrying")


@breaks("I12")
def test_a_lease_that_is_not_given_back() -> None:
    class Keeping(MemoryStore):
        def _release(self, lease: Any) -> None: ...

    store = Keeping()
    store.create_run(new_run(), b"a plan")
    with pytest.raises(Exception, match="is being driven"):
        StoreConformance().test_a_run_has_one_driver(store, store.acquire("run-1"))


@breaks("I12")
def test_a_value_that_nobody_wanted_and_that_stays(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(FileWriter, "abort", lambda self: self.file.close())
    with pytest.raises(AssertionError):
        ResultsConformance().test_an_aborted_value_leaves_nothing(FileResults(tmp_path / "results"))


@breaks("I13")
def test_a_store_that_does_not_look_at_checksums(tmp_path: Path, monkeypatch: Patch) -> None:
    class Anything(bytes):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

    folder = test_store_damage.folder.__wrapped__(tmp_path)  # type: ignore[attr-defined]
    monkeypatch.setattr(chain, "chained", lambda previous, body: Anything())
    with pytest.raises((pytest.fail.Exception, AssertionError)):
        test_store_damage.test_any_flipped_bit_of_a_batch_is_found(folder, 5)


@breaks("I15")
def test_an_engine_that_throws_dice(monkeypatch: Patch) -> None:
    monkeypatch.setattr("penstock.engine.attempts.pause", lambda policy, failures, seed: random.SystemRandom().random())
    again = test_random_runs.test_one_seed_gives_one_trace.hypothesis.inner_test  # type: ignore[attr-defined]
    with pytest.raises(AssertionError):
        again(test_random_runs.Case([[]], [("failure", "success")], [1]), 1)


@breaks("I16")
def test_a_value_that_died_and_is_not_made_again(manager: WorkflowManager) -> None:
    @task
    def opened() -> threading.Lock:
        return threading.Lock()

    @task
    def reads(lock: threading.Lock) -> None:
        raise ValueError("no")

    @workflow
    def flow() -> None:
        reads(opened())

    found = spoiled(manager, flow, {(Again, "_dead_inputs"): lambda self: []}, "resume")
    assert blamed(found, "^I16: task 'reads' started before task 'opened' had succeeded again")


@breaks("I16")
def test_a_value_that_can_be_read_before_it_is_whole() -> None:
    class Eager(MemoryResults):
        def writer(self) -> MemoryWriter:
            writer = super().writer()
            write = writer.file.write
            writer.file.write = lambda data: self.keep(data) and write(data)  # type: ignore[assignment, method-assign]
            return writer

    with pytest.raises(AssertionError):
        ResultsConformance().test_nothing_is_readable_before_commit(Eager())


FOUND_BY_CAMPAIGNS = {
    "nothing": "",
    "body_left_out": "'keyed' gave 'done', not '22'",
    "batch_forgotten": r"batch \d+ was written, and is not in the journal",
    "start_not_safe": "the body of '(once|announced)' began before its start was safe",
    "lease_kept": "the lease of run 1 still names process",
    "items_mixed_up": r"'square\[1\]' gave 441, not 484",
    "hasty_teardown": "the body of 'use_room' began after that of 'close_room'",
}


@breaks("I7", "I8", "I9", "I12")
@pytest.mark.skipif(sys.platform != "linux", reason="the campaigns look at processes through /proc")
@pytest.mark.parametrize("bug", FOUND_BY_CAMPAIGNS)
def test_what_the_campaigns_ask_of_a_run_they_disturb(bug: str, tmp_path: Path) -> None:
    assert set(FOUND_BY_CAMPAIGNS) == set(planted.BUGS)
    command = [sys.executable, "-m", "tests.faults.planted", bug, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    _, _, found = done.stdout.partition(planted.FOUND)
    assert re.search(FOUND_BY_CAMPAIGNS[bug], found)
    assert bool(found.strip()) == (bug != "nothing"), found


# --- Whether all are there


def test_without_a_bug_nothing_is_found(manager: WorkflowManager) -> None:
    assert spoiled(manager, failing, {}, "resume") == []
    assert spoiled(manager, joined, {}) == []
    assert simulated(RunEngine(make_plan([[], [0]]), run_id="run"), [("lost", "success"), ("success",)]) == []


def test_every_invariant_is_broken_above_or_has_nothing_to_speak_of() -> None:
    invariants = {f"I{number}" for number in range(1, 18)}
    assert set(PLANTED) | NOT_YET | set(ELSEWHERE) == invariants
    assert len(PLANTED) + len(NOT_YET) + len(ELSEWHERE) == len(invariants)
    assert all(hasattr(module, name) for module, name in ELSEWHERE.values())
    rows = dict(re.findall(r"^\| (I\d+) \| (.*)", audit_module.__doc__ or "", re.MULTILINE))
    assert set(rows) == invariants
    assert {rule for rule, row in rows.items() if "there are no" in row} == NOT_YET
