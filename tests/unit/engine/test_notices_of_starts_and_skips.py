"""What is told of attempts that begin, of tasks that are skipped or ask, and to whom: as events make it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.audit import Audit
from penstock.engine.commands import Command, DispatchTasks, EndRun, SendNotices
from penstock.engine.events import (
    AttemptDeferred,
    AttemptFailed,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    ErrorText,
    Event,
    MapExpanded,
    MessageReceived,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    TasksMarked,
    TasksRerun,
    TaskWoken,
)
from penstock.engine.invariants import check
from penstock.engine.run import RunEngine
from penstock.policy import DECISIONS, Asking, Polling, TaskPolicy, TriggerRule
from tests.simulation.plans import make_plan

ERROR = ErrorText("ValueError", "no such table")
BOTH = ("skipped", "started")


class Told:
    """A run, and all that somebody was told of it; what the audit says of it must be nothing."""

    def __init__(self, plan: Any) -> None:
        self.engine = RunEngine(plan, run_id="run")
        self.audit = Audit(plan)

    def feed(self, *events: Event) -> list[str]:
        """Hand in events; the ids of what is told by the last."""
        commands: Sequence[Command] = ()
        for event in events:
            commands = self.engine.handle(event)
            check(self.engine)
            assert self.audit.see(event) == []
        kinds = [type(command) for command in commands]
        assert EndRun not in kinds or SendNotices not in kinds or kinds.index(SendNotices) < kinds.index(EndRun)
        notices = [n for command in commands if isinstance(command, SendNotices) for n in command.notices]
        assert all(self.audit._notices.has_arisen(n.id) for n in notices)
        return [n.id.removeprefix("run/") for n in notices]


def plan(graph: Sequence[Sequence[int]], rules: dict[int, TriggerRule] | None = None, **fields: Any) -> Any:
    policies = [
        TaskPolicy(notices=BOTH, retries=1, trigger_rule=(rules or {}).get(row, TriggerRule.ALL_SUCCESS))
        for row in range(len(graph))
    ]
    return make_plan(graph, **{"policies": policies, **fields})


def test_the_beginning_of_a_run_is_told_once() -> None:
    run = Told(plan([[]], notices=("started",)))
    assert run.feed(RunStarted(1.0)) == ["0/run_started"]
    assert run.feed(RunResumed(2.0)) == ["0/run_started"], "nobody has taken it yet"
    assert len(run.engine.notices) == 1


def test_each_attempt_that_begins_is_told_and_has_no_error() -> None:
    run = Told(plan([[]]))
    assert run.feed(RunStarted(1.0), AttemptStarted(0, 1, 2.0)) == ["t0/0/1/task_started"]
    run.feed(AttemptFailed(0, 1, 3.0, ERROR))
    assert run.feed(RetryDue(0, 4.0), AttemptStarted(0, 2, 5.0)) == ["t0/0/2/task_started"]
    assert [notice.error for notice in run.engine.notices.values()] == [None, None]


def test_a_task_that_skips_itself_says_why_and_those_below_follow() -> None:
    run = Told(plan([[], [0], [1]]))
    run.feed(RunStarted(1.0), AttemptStarted(0, 1, 2.0))
    assert run.feed(AttemptSkipped(0, 1, 3.0, "no rows")) == [
        "t0/0/1/task_skipped",
        "t1/0/0/task_skipped",
        "t2/0/0/task_skipped",
    ]
    reasons = [notice.reason for notice in run.engine.notices.values() if notice.kind == "task_skipped"]
    assert reasons == ["no rows", "", ""]


def test_the_same_skip_is_told_once_and_that_of_another_generation_anew() -> None:
    run = Told(plan([[], [], [0, 1]], {2: TriggerRule.ALL_FAILED}))
    run.feed(RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptStarted(1, 1, 2.0))
    told = run.feed(AttemptFailed(1, 1, 3.0, ERROR, False), AttemptSucceeded(0, 1, 3.0))
    assert told == ["t2/0/0/task_skipped"]
    for notice in [*run.engine.notices]:
        run.engine._outbox.deliver(notice)
    assert run.feed(RunResumed(4.0)) == [], "t2 was weighed anew, and is skipped as it was"
    assert run.feed(AttemptStarted(1, 2, 5.0)) == ["t1/0/2/task_started"]
    assert run.feed(AttemptSucceeded(1, 2, 6.0)) == []
    assert run.feed(TasksRerun(7.0, (0, 2))) == ["t1/0/2/task_started", "t2/1/0/task_skipped"]


def test_what_is_mapped_over_nothing_is_told_of_and_who_marks_is_not() -> None:
    run = Told(plan([[], [0]], maps={1: "task"}))
    run.feed(RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptSucceeded(0, 1, 3.0))
    assert run.feed(MapExpanded(1, 4.0, 0, ())) == ["t1/0/0/task_skipped"]
    other = Told(plan([[], [0]]))
    other.feed(RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptFailed(0, 1, 3.0, ERROR, False))
    told = other.feed(TasksMarked(4.0, (0,), "skipped", "me", ""))
    assert [id for id in told if id.startswith("t0") and "skipped" in id] == []
    assert "t1/0/0/task_skipped" in told, "what follows is told as ever"


def test_a_notifier_is_told_of_what_it_wants() -> None:
    run = Told(make_plan([[], [0]]))
    run.feed(NotifiersSet(0.5, ("all", "usual"), ("run_started task_started task_success task_skipped", "")))
    assert run.feed(RunStarted(1.0)) == ["0/run_started/all"]
    assert run.feed(AttemptStarted(0, 1, 2.0)) == ["t0/0/1/task_started/all"]
    assert run.feed(AttemptSucceeded(0, 1, 3.0)) == ["t0/0/1/task_success/all"]
    run.feed(AttemptStarted(1, 1, 4.0))
    assert run.feed(AttemptSkipped(1, 1, 5.0, "")) == ["t1/0/1/task_skipped/all", "0/run_success/usual"]


def test_nobody_is_told_where_nobody_wants_to_know() -> None:
    run = Told(make_plan([[], [0]]))
    commands = [
        *run.engine.handle(RunStarted(1.0)),
        *run.engine.handle(AttemptStarted(0, 1, 2.0)),
        *run.engine.handle(AttemptSkipped(0, 1, 3.0, "")),
    ]
    assert not [command for command in commands if isinstance(command, SendNotices)]
    assert [command for command in commands if isinstance(command, DispatchTasks)]


def test_a_sensor_that_gives_up_softly_is_told_as_skipped() -> None:
    policy = TaskPolicy(polling=Polling(timeout=5.0, soft_fail=True), notices=("skipped",))
    run = Told(make_plan([()], policies=[policy]))
    assert run.feed(RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptDeferred(0, 1, 8.0)) == ["t0/0/1/task_skipped"]
    assert run.engine.notices["run/t0/0/1/task_skipped"].reason.startswith("it waited for 5 s")


# --- Questions

ASKS = TaskPolicy(asking=Asking("Shall it be paid?\n\nIt cannot be taken back.", "{}"), notices=("asks",), retries=1)
TOPIC = f"{DECISIONS}t0"
PAID = MessageReceived(9.0, TOPIC, None, "maria")


def asking(*events: Event) -> tuple[Told, list[str]]:
    """A run of one approval whose first attempt has begun, and what is told by the last of further events."""
    run = Told(make_plan([()], policies=[ASKS]))
    return run, run.feed(RunStarted(1.0), AttemptStarted(0, 1, 2.0), *events)


def test_a_question_is_told_with_its_first_line_and_where_it_stands() -> None:
    run, told = asking(AttemptDeferred(0, 1, 3.0, None, TOPIC))
    assert told == ["t0/0/1/task_asks"]
    [notice] = run.engine.notices.values()
    assert (notice.reason, notice.error, notice.at) == ("Shall it be paid?", None, 3.0)


def test_a_question_is_told_once_however_often_its_task_looks() -> None:
    _, told = asking(
        AttemptDeferred(0, 1, 3.0, 4.0, TOPIC),
        TaskWoken(0, 4.0),
        AttemptStarted(0, 2, 4.0),
        AttemptDeferred(0, 2, 4.0, 5.0, TOPIC),
    )
    assert told == []


def test_nobody_is_asked_what_is_decided_already_nor_told_of_other_messages() -> None:
    assert asking(PAID, AttemptDeferred(0, 1, 3.0, None, TOPIC))[1] == []
    assert asking(AttemptDeferred(0, 1, 3.0, None, "other"))[1] == []
    run = Told(make_plan([()], policies=[TaskPolicy(notices=("asks",))]))
    assert run.feed(RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptDeferred(0, 1, 3.0, None, TOPIC)) == []


def test_a_rerun_asks_anew() -> None:
    _, told = asking(
        AttemptDeferred(0, 1, 3.0, None, TOPIC),
        PAID,
        AttemptStarted(0, 2, 9.0),
        AttemptSucceeded(0, 2, 9.0, None),
        TasksRerun(10.0, (0,)),
        AttemptStarted(0, 1, 11.0),
        AttemptDeferred(0, 1, 12.0, None, f"{TOPIC}#1"),
    )
    assert told == ["t0/1/1/task_asks"]


def test_notifiers_are_usually_told_of_questions() -> None:
    run = Told(make_plan([()], policies=[ASKS]))
    run.feed(RunStarted(1.0), NotifiersSet(1.0, ("chat",), ("",)), AttemptStarted(0, 1, 2.0))
    assert run.feed(AttemptDeferred(0, 1, 3.0, None, TOPIC)) == ["t0/0/1/task_asks", "t0/0/1/task_asks/chat"]


def test_another_plan_does_not_ask_again_what_was_asked() -> None:
    plans = {name: make_plan([()], policies=[ASKS], tags=(name,)) for name in ("old", "new")}
    engine = RunEngine(plans["old"], run_id="run", plans=plans.__getitem__)
    audit = Audit(plans["old"], plans=plans.__getitem__)
    for event in (
        RunStarted(1.0),
        AttemptStarted(0, 1, 2.0),
        AttemptDeferred(0, 1, 3.0, None, TOPIC),
        PlanAdopted(4.0, "new"),
        RunResumed(4.0, by_hand=False),
        AttemptStarted(0, 2, 5.0),
    ):
        engine.handle(event)
        assert audit.see(event) == []
    assert engine.handle(AttemptDeferred(0, 2, 6.0, None, TOPIC)) == ()
    assert engine.asked == {0: {TOPIC: 3.0}}
