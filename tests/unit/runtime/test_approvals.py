"""Tasks that ask a person, and go on with what was answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import time
from typing import Any

import pytest

from penstock import Fail, Run, Secret, Skip, Workflow, WorkflowManager, chain, current, task
from penstock.clock import SystemClock
from penstock.errors import NotWaiting, ParameterError, PenstockError, RunEnded, RunFailed, TaskNotFound
from tests.unit.runtime.waiting import Background, come, eventually, states


@dataclass
class Terms:
    rate: float

    def __post_init__(self) -> None:
        if self.rate > 1:
            raise ValueError("it is more than all")


@task
def write() -> str:
    return "report"


@task.approval
def release(report: str, approved: bool, limit: int = 5) -> str:
    """Is the report fit to be sent?"""
    return f"{report} {approved} {limit}"


@task.approval
def confirm(report: str) -> str:
    return report


@pytest.fixture
def manager() -> Iterator[WorkflowManager]:
    with WorkflowManager(store="memory", observers=[], workers=4) as made:
        yield made


def flow_of(make: Callable[[], object]) -> Workflow:
    with Workflow("flow") as flow:
        make()
    return flow


class Asked:
    """A run that goes on in another thread, and waits for so many decisions."""

    def __init__(self, manager: WorkflowManager, make: Callable[[], object], number: int = 1) -> None:
        self.flow = flow_of(make)
        self._manager = manager
        self._driving = Background(lambda: manager.run(self.flow, raise_on_failure=False))
        eventually(lambda: len(manager.approvals()) == number)
        self.id = manager.approvals()[0].run_id

    def wait(self) -> Run:
        """The run, when it has ended."""
        self._driving.result()
        return self._manager.get(self.id)


asked = Asked


def ended(run: Asked) -> Run:
    return run.wait()


def test_what_is_answered_is_what_the_body_is_given(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release(write()))
    manager.approve(run.id, "release", limit=7)
    assert ended(run).task("release").result == "report True 7"


def test_or_rejected(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release(write()))
    manager.reject(run.id, "release")
    assert ended(run).task("release").result == "report False 5"


@pytest.mark.parametrize("executor", ["threads", "inline", "processes"])
def test_wherever_tasks_run(executor: str) -> None:
    with WorkflowManager(store="memory", executor=executor, observers=[]) as manager:

        @task.approval
        def pay(report: str, day: date, approved: bool) -> Any:
            found = current().decision
            assert found is not None
            return report, day, approved, found.by, found.note, found.by_default

        run = asked(manager, lambda: pay(write()))
        manager.approve(run.id, "pay", day="2013-01-02", by="maria", note="fine")
        assert ended(run).task("pay").result == ("report", date(2013, 1, 2), True, "maria", "fine", False)


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_it_holds_no_worker_while_it_waits(executor: str) -> None:
    worked = threading.Event()

    @task
    def works() -> None:
        worked.set()

    with WorkflowManager(store="memory", executor=executor, workers=1, observers=[]) as manager:
        run = asked(manager, lambda: [confirm("a"), works()])
        come(worked)
        manager.approve(run.id, "confirm")
        assert ended(run).state == "success"


def test_what_is_asked_can_be_shown(manager: WorkflowManager) -> None:
    before = datetime.now(UTC)
    made = release.options(deadline=3600, default={"approved": False})
    run = asked(manager, lambda: made(write()))
    [found] = manager.approvals()
    assert (found.run_id, found.workflow, found.task) == (run.id, "flow", "release")
    assert (found.question, found.summary) == ("Is the report fit to be sent?",) * 2
    assert found.inputs["properties"] == {
        "approved": {"type": "boolean"},
        "limit": {"type": "integer", "default": 5},
    }
    assert before <= found.asked_at <= datetime.now(UTC)
    assert found.deadline == found.asked_at + timedelta(hours=1)
    assert (found.default, found.given) == ({"approved": False}, {"write": "'report'"})
    assert manager.get(run.id).task("release").approval == found
    manager.approve(run.id, "release")
    assert ended(run).approvals == manager.approvals() == []


def test_who_decided_and_when_is_kept(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release(write()))
    before = datetime.now(UTC)
    manager.reject(run.id, "release", by="maria", note="figures are wrong", limit=1)
    decision = ended(run).task("release").decision
    assert decision is not None
    assert (decision.approved, decision.by, decision.note) == (False, "maria", "figures are wrong")
    assert decision.inputs == {"approved": False, "limit": 1}
    assert before <= decision.at <= datetime.now(UTC)
    assert str(decision) == "rejected by maria: figures are wrong"


def test_other_tasks_have_no_decision(manager: WorkflowManager) -> None:
    seen = []

    @task
    def plain() -> None:
        seen.append(current().decision)

    run = manager.run(flow_of(plain))
    assert (seen, run.task("plain").decision, run.task("plain").approval) == ([None], None, None)


def test_what_does_not_ask_for_approval_is_skipped_if_it_is_rejected(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: confirm(confirm.named("first")(write())))
    manager.reject(run.id, "first", by="maria", note="not today")
    found = ended(run)
    assert states(found) == {
        "write": "success",
        "first": "skipped",
        "confirm": "skipped",
    }
    assert found.task("first").reason == "rejected by maria: not today"


@pytest.mark.parametrize(("error", "state"), [(Skip("no"), "skipped"), (Fail("no"), "failed")], ids=["Skip", "Fail"])
def test_a_body_may_skip_or_fail_for_what_was_decided(manager: WorkflowManager, error: Exception, state: str) -> None:
    @task.approval(retries=3)
    def go(approved: bool) -> None:
        raise error

    run = asked(manager, go)
    manager.reject(run.id, "go")
    assert ended(run).task("go").state == state


def test_an_approval_may_choose_a_branch(manager: WorkflowManager) -> None:
    @task
    def full() -> None: ...

    @task
    def changes() -> None: ...

    @task.approval(branch=True)
    def choose(how: str) -> str:
        return how

    run = asked(manager, lambda: chain(choose(), [full(), changes()]))
    manager.approve(run.id, "choose", how="changes")
    assert states(ended(run)) == {
        "choose": "success",
        "full": "skipped",
        "changes": "success",
    }


def test_or_be_a_short_circuit(manager: WorkflowManager) -> None:
    @task.approval(short_circuit=True)
    def may_go_on(approved: bool) -> bool:
        return approved

    run = asked(manager, lambda: chain(may_go_on(), write()))
    manager.reject(run.id, "may_go_on")
    found = ended(run)
    assert (found.state, found.task("write").state) == ("success", "skipped")


def test_each_instance_of_a_mapped_approval_is_decided_by_itself(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release.expand(report=["a", "b", "c"]), 3)
    with pytest.raises(NotWaiting, match=r"'release' is mapped: decide about one of its instances, release\[0\]"):
        manager.approve(run.id, "release")
    manager.approve(run.id, "release[2]", limit=2)
    manager.reject(run.id, "release[0]")
    assert [one.task for one in manager.approvals(run.id)] == ["release[1]"]
    manager.approve(run.id, "release[1]", limit=1)
    assert ended(run).task("release").result == ["a False 5", "b True 1", "c True 2"]


def test_what_is_not_what_is_asked_for_is_refused_before_it_is_sent(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release(write()))
    for values, why in (
        ({"limit": "7"}, "task 'release', input 'limit': '7' is not int"),
        ({"limit": float("nan")}, "input 'limit': nan is no number that can be kept"),
        ({"limit": 10**5000}, "input 'limit': it has more digits than anybody can read"),
        ({"limti": 7}, "task 'release' does not ask for 'limti'; did you mean 'limit'?"),
        ({"approved": False}, "task 'release' is to be approved, and approved=False"),
    ):
        with pytest.raises(ParameterError) as refused:
            manager.approve(run.id, "release", **values)
        assert why in str(refused.value)
    assert manager.parts.store.messages(run.id) == []
    manager.approve(run.id, "release")
    assert ended(run).state == "success"


def test_what_is_too_much_is_refused(manager: WorkflowManager) -> None:
    @task.approval
    def go(text: str) -> None: ...

    run = asked(manager, go)
    with pytest.raises(PenstockError, match="10,000,048 bytes, and a message has at most 1,000,000"):
        manager.approve(run.id, "go", text="x" * 10_000_000)
    with pytest.raises(PenstockError, match=r"the note .* is not a text that others can read"):
        manager.approve(run.id, "go", text="x", note="\ud800")
    with pytest.raises(PenstockError, match="who sends it is a name of 1 to 200 characters"):
        manager.approve(run.id, "go", text="x", by="a\nb")
    manager.approve(run.id, "go", values={"text": "x"})
    ended(run)


def test_the_value_of_a_secret_is_refused(manager: WorkflowManager) -> None:
    @task.approval
    def go(text: str) -> None: ...

    run = asked(manager, go)
    secret = Secret("correct horse battery")
    with pytest.raises(PenstockError, match="it has the value of a secret in it"):
        manager.approve(run.id, "go", text=f"it is {secret.get_secret_value()}")
    manager.approve(run.id, "go", text="it is none")
    ended(run)


def test_who_waits_for_no_decision_is_not_given_one(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: chain(release(write()), write.named("last")()))
    with pytest.raises(NotWaiting, match="task 'write' does not wait for a decision: it is success"):
        manager.approve(run.id, "write")
    with pytest.raises(NotWaiting, match="task 'last' does not wait for a decision: it is pending"):
        manager.approve(run.id, "last")
    with pytest.raises(TaskNotFound, match="did you mean 'release'"):
        manager.approve(run.id, "releas")
    manager.approve(run.id, "release")
    ended(run)
    with pytest.raises(RunEnded, match="has ended already: it is success"):
        manager.approve(run.id, "release")


def test_a_decision_is_made_once(manager: WorkflowManager) -> None:
    open_now = threading.Event()

    @task
    def hold() -> None:
        come(open_now)

    run = asked(manager, lambda: [release(write()), hold()])
    manager.approve(run.id, "release", by="maria")
    eventually(lambda: manager.get(run.id).task("release").state == "success")
    with pytest.raises(NotWaiting, match="it is success, and was approved by maria"):
        manager.reject(run.id, "release", by="nick")
    open_now.set()
    assert ended(run).task("release").result == "report True 5"


# --- Deadlines


def test_without_a_default_it_fails_at_its_deadline_and_is_not_tried_again(manager: WorkflowManager) -> None:
    made = release.options(deadline=0.02, retries=3)
    run = manager.run(flow_of(lambda: made(write())), raise_on_failure=False)
    one = run.task("release")
    assert (one.state, one.error) == ("failed", "ApprovalTimeout: it waited for 0.02 s, and nobody has decided")
    assert one.decision is None


def test_else_the_default_counts(manager: WorkflowManager) -> None:
    seen: list[Any] = []

    @task.approval(deadline=0.02, default={"approved": False, "day": date(2013, 1, 2)})
    def go(approved: bool, day: date) -> None:
        seen.append((approved, day, current().decision))

    run = manager.run(flow_of(go))
    [(approved, day, decision)] = seen
    assert (approved, day, decision.by_default, decision.by) == (False, date(2013, 1, 2), True, "")
    found = run.task("go").decision
    assert found is not None
    assert str(found) == "rejected by default, since nobody has answered before the deadline"


def test_a_default_may_reject_what_does_not_ask(manager: WorkflowManager) -> None:
    made = confirm.options(deadline=0.02, default={"approved": False})
    one = manager.run(flow_of(lambda: made(write()))).task("confirm")
    assert (one.state, one.reason) == (
        "skipped",
        "rejected by default, since nobody has answered before the deadline",
    )


def test_an_answer_in_time_counts(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release.options(deadline=3600, default={"approved": False})(write()))
    manager.approve(run.id, "release")
    assert ended(run).task("release").result == "report True 5"


class Later(SystemClock):
    """The clock of somebody who comes three hours later."""

    @staticmethod
    def time() -> float:
        return time() + 10_800


@pytest.mark.parametrize(
    ("default", "then"), [(None, "it fails"), ({"approved": True}, "goes on with its default, {'approved': True},")]
)
def test_after_the_deadline_it_is_too_late(manager: WorkflowManager, default: Any, then: str) -> None:
    """Though nobody has told the task yet: its driver may be stopped, or dead."""
    run = asked(manager, lambda: release.options(deadline=7200, default=default)(write()))
    manager._clock, now = Later(), manager._clock
    with pytest.raises(NotWaiting) as refused:
        manager.approve(run.id, "release")
    assert "the deadline of task 'release' passed at 2" in str(refused.value)
    assert then in str(refused.value)
    assert manager.parts.store.messages(run.id) == []
    manager._clock = now
    manager.approve(run.id, "release")
    ended(run)


# --- Again


def test_a_retry_and_a_resume_keep_what_was_decided(manager: WorkflowManager) -> None:
    tries: list[int] = []

    @task.approval(retries=1)
    def pay(limit: int) -> int:
        tries.append(limit)
        if len(tries) < 4:
            raise OSError("no network")
        return limit

    run = asked(manager, pay)
    manager.approve(run.id, "pay", limit=7)
    assert ended(run).state == "failed"
    assert tries == [7, 7]
    again = manager.resume(run.id, run.flow)
    assert (again.task("pay").result, tries) == (7, [7, 7, 7, 7])


def test_a_rerun_asks_anew(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release(write()))
    manager.approve(run.id, "release", limit=1)
    ended(run)
    again = Background(lambda: manager.rerun(run.id, run.flow, only=["release"]))
    eventually(lambda: manager.approvals(run.id))
    assert manager.get(run.id).task("release").decision is None
    manager.approve(run.id, "release", limit=2)
    again.result()
    assert manager.get(run.id).task("release").result == "report True 2"


def test_resuming_what_nobody_has_decided_in_time_asks_anew(manager: WorkflowManager) -> None:
    flow = flow_of(lambda: release.options(deadline=0.02)(write()))
    with pytest.raises(RunFailed):
        manager.run(flow)
    [run] = manager.runs()
    before = datetime.now(UTC)
    with pytest.raises(RunFailed):
        manager.resume(run.id, flow)
    one = manager.get(run.id).task("release")
    assert one.attempts == 4
    assert one.ended_at is not None
    assert one.ended_at >= before + timedelta(seconds=0.02)


def test_a_cancelled_run_has_nothing_to_decide(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release(write()))
    manager.cancel(run.id)
    assert ended(run).state == "cancelled"
    assert manager.approvals() == []
    with pytest.raises(RunEnded):
        manager.approve(run.id, "release")


def test_an_answer_that_the_function_does_not_take_is_told_of_and_asked_for_again(manager: WorkflowManager) -> None:
    """The schema cannot say all that a class of the user's does."""

    @task.approval
    def go(terms: Terms) -> float:
        return terms.rate

    run = asked(manager, go)
    with suppress(NotWaiting):  # which is told to who asks late enough to know
        manager.approve(run.id, "go", terms={"rate": 2.0}, by="maria")
    eventually(lambda: manager.get(run.id).task("go").log)
    eventually(lambda: manager.approvals(run.id))
    manager.approve(run.id, "go", terms={"rate": 0.5})
    one = ended(run).task("go")
    assert one.result == 0.5
    assert "what maria has decided is not what is asked for" in one.log
    assert "Terms does not take it: it is more than all" in one.log


@pytest.mark.parametrize("approved", [True, False])
def test_a_parked_run_is_woken_by_a_decision(approved: bool) -> None:
    with WorkflowManager(store="memory", observers=[], park_after=0) as manager:
        run = manager.start(flow_of(lambda: release(write())))
        eventually(lambda: manager.get(run.id).state == "waiting")
        (manager.approve if approved else manager.reject)(run.id, "release")
        assert run.wait(30).task("release").result == f"report {approved} 5"


# --- Why


def test_why_says_what_is_to_be_decided(manager: WorkflowManager) -> None:
    run = asked(manager, lambda: release(write()))
    step = manager.get(run.id).why("release").steps[0]
    assert step.kind == "decision"
    assert step.text == (
        f"waits for somebody to decide: Is the report fit to be sent? (penstock approve {run.id} release)"
    )
    manager.approve(run.id, "release")
    ended(run)


@pytest.mark.parametrize(("default", "then"), [(None, "it fails"), ({"approved": True}, "its default counts")], ids=str)
def test_and_what_comes_after_the_deadline(manager: WorkflowManager, default: Any, then: str) -> None:
    run = asked(manager, lambda: release.options(deadline=3600, default=default)(write()))
    text = manager.get(run.id).why("release").steps[0].text
    assert text.endswith(f"{then})")
    assert "; after 2" in text
    manager.approve(run.id, "release")
    ended(run)
