"""What a history tells of the attempts of tasks, and whether it can be: the part of `Audit` that follows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from penstock.engine.audit_again import AuditAgain
from penstock.engine.audit_ends import Cause, FirstFailure
from penstock.engine.audit_notices import NoticeAudit
from penstock.engine.audit_states import (
    CANCELLED,
    DEFERRED,
    FAILED,
    PAUSING,
    PENDING,
    RETRYING,
    RUNNING,
    SKIPPED,
    SUCCESS,
)
from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    Event,
    MessageReceived,
    RetryDue,
    TaskWoken,
)
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.policy import DECISIONS, EARLY_RULES, MAX_LOST_ATTEMPTS, TriggerRule

Outcome: TypeAlias = (
    AttemptSucceeded | AttemptSkipped | AttemptDeferred | AttemptFailed | AttemptLost | AttemptCancelled
)


class AuditAttempts:
    """Follows the attempts of the tasks of one run."""

    def __init__(self, plan: Plan) -> None:
        self._tasks = AuditAgain(plan)
        self._notices = NoticeAudit()
        self._found: list[str] = []
        self._begun = False
        self._going = False
        """Whether the end of the run is still to come."""
        self._driven = False
        """Whether a driver is at work: between a stop in good order and a resumption nothing may start."""
        self._cause: Cause = None
        self._forced = False
        """Whether not even teardowns are wanted any more."""
        self._fenced: set[tuple[str, int]] = set()
        """Attempts that ended without an outcome, by the task's name: a late one is no error."""
        self._untaken: dict[str, int] = {}
        """How many messages of each topic nobody has waited for yet."""
        self._started: dict[int, float] = {}
        """When the latest attempt of each task began."""

    # --- Starts

    def _attempt_started(self, event: AttemptStarted) -> None:
        task, tasks = event.task, self._tasks
        if self._is_unknown(event, task):
            return
        last = tasks.last[task]
        if last or tasks.states[task] != PENDING or not self._driven:
            self._look_closer(task, tasks.states[task])
        if event.attempt != last + 1:
            self._say("I5", f"attempt {event.attempt} of {self._name(task)} started after attempt {last}")
        if not tasks.has_body(task):
            self._say("I10", f"{self._name(task)} started, and stands for others that have a body")
        elif tasks.states[task] == PENDING and not tasks.may_start(task):
            self._found += self._too_early(task, "started")
        tasks.put(task, RUNNING)
        tasks.last[task] = event.attempt
        self._started[task] = event.at
        self._tell("started", task)
        self._look_at_crowd(task)

    def _look_closer(self, task: int, state: int) -> None:
        """At a start that may be wrong: the task does not wait, or started before, or nobody could start it."""
        name, tasks = self._name(task), self._tasks
        if not self._driven:
            self._say("I2", f"{name} started while nobody drove the run")
        if self._is_to_end(task) and state != PENDING:  # what a teardown needs may have to be made again
            self._say("I2", f"{name} started though the run was to end")
        if tasks.is_spent(task):
            self._say("I7", f"{name} started twice in one generation, though at most once was asked for")
        elif state == RUNNING:
            self._say("I5", f"{name} started while attempt {tasks.last[task]} was under way")
        elif state in PAUSING:
            self._say("I2", f"{name} started before its next attempt was due")
        elif state == FAILED:
            counts = f"{tasks.failures.get(task, 0)} failed, {tasks.lost.get(task, 0)} lost"
            self._say("I6", f"{name} started again after its last attempt ({counts}) without being asked for")
        elif state != PENDING:
            self._say("I2", f"{name} started after it had ended as {TaskState(state).label}")

    def _look_at_crowd(self, task: int) -> None:
        """At a start of one of so many."""
        tasks, limit = self._tasks, self._tasks.policy(task).max_active_instances
        if limit is None:
            return
        running = sum(tasks.states[other] == RUNNING for other in tasks.slots(tasks.rows[task]))
        if running > limit:
            self._say("I5", f"{self._name(task)} started as one of {running} at once, and {limit} were allowed")

    def _too_early(self, task: int, verb: str) -> Iterator[str]:
        """What a task that has started, or was expanded, should have waited for."""
        tasks, plan, row = self._tasks, self._tasks.plan, self._tasks.rows[task]
        name, rule = f"{self._name(task)} {verb}", plan.policies[row].trigger_rule
        awaited = {*tasks.holding(row)}
        if rule not in EARLY_RULES:
            awaited |= {*plan.upstreams[row]}
        found = False
        for other in (tasks.beside(task, other) for other in sorted(awaited)):
            if not tasks.is_seen(other, task):
                found = True
                yield self._waits(name, other, rule)
        if not found and tasks.is_on_hold(task):
            yield f"I1: {name} while its map was not expanded"
        elif not found:
            yield f"I1: {name} before its rule, {rule}, let it"

    def _waits(self, name: str, other: int, rule: TriggerRule) -> str:
        wanted = "succeeded" if rule is TriggerRule.ALL_SUCCESS else "ended"
        number, again = ("I16", " again") if other in self._tasks.volatile else ("I1", "")
        return f"{number}: {name} before {self._name(other)} had {wanted}{again}"

    # --- Outcomes

    def _attempt_succeeded(self, event: AttemptSucceeded) -> None:
        task, tasks = event.task, self._tasks
        if not self._is_current(event):
            return
        tasks.put(task, SUCCESS)
        if event.value is not None and event.value.codec == "volatile":
            tasks.volatile.add(task)
        else:
            tasks.volatile.discard(task)
        if event.chosen is not None:
            self._choose(task, event.chosen)
        self._tell("success", task)
        tasks.settle([task])

    def _choose(self, task: int, chosen: tuple[int, ...]) -> None:
        tasks, plan = self._tasks, self._tasks.plan
        tasks.chosen[task] = tuple(row for row in chosen if 0 <= row < len(plan))
        kind = tasks.policy(task).decides
        if not kind:
            self._say("I10", f"{self._name(task)} chose what to follow, and decides nothing")
        elif kind == "short_circuit" and chosen:
            self._say("I10", f"{self._name(task)} chose some of what is below it, and can only choose all or nothing")
        for row in chosen:
            if row not in plan.downstreams[tasks.rows[task]]:
                other = f"task '{plan.names[row]}'" if 0 <= row < len(plan) else f"task {row}"
                self._say("I10", f"{self._name(task)} chose {other}, which is not directly below it")

    def _attempt_skipped(self, event: AttemptSkipped) -> None:
        if self._is_current(event):
            self._tasks.put(event.task, SKIPPED)
            self._tasks.idle.add(event.task)
            self._tell("skipped", event.task)
            self._tasks.settle([event.task])

    def _attempt_failed(self, event: AttemptFailed) -> None:
        task, tasks = event.task, self._tasks
        if not self._is_current(event):
            return
        tasks.failures[task] = tasks.failures.get(task, 0) + 1
        if not event.retryable:
            tasks.final.add(task)
        if not event.retryable or tasks.failures[task] > tasks.policy(task).retries:
            self._fail(task)
        elif self._is_to_end(task):  # it might yet have succeeded
            self._cancel(task)
        else:
            tasks.put(task, RETRYING)
            self._tell("retry", task)

    def _attempt_lost(self, event: AttemptLost) -> None:
        if self._is_current(event):
            self._lose(event.task)

    def _attempt_cancelled(self, event: AttemptCancelled) -> None:
        if self._is_current(event):
            if self._cause is None:
                self._say("I2", f"{self._name(event.task)} was cancelled, and nobody had asked for it")
            self._cancel(event.task)

    def _attempt_deferred(self, event: AttemptDeferred) -> None:
        task, tasks = event.task, self._tasks
        if not self._is_current(event):
            return
        polling = tasks.policy(task).polling
        if polling is None and event.until is None and event.topic is None:
            self._say("I10", f"{self._name(task)} was deferred, and nothing says until when")
        since = tasks.waiting_since.setdefault(task, self._started.get(task, event.at))
        if self._is_to_end(task):
            self._cancel(task)
        elif tasks.is_once(task):
            self._fail(task)
        elif polling is None or polling.timeout is None or event.at < since + polling.timeout:
            tasks.put(task, DEFERRED)
            self._await_message(task, event.topic, event.at)
        elif polling.soft_fail:
            tasks.put(task, SKIPPED)
            tasks.idle.add(task)
            self._tell("skipped", task)
            tasks.settle([task])
        else:
            tasks.final.add(task)
            self._fail(task)

    def _task_woken(self, event: TaskWoken) -> None:
        if not self._is_unknown(event, event.task) and self._tasks.states[event.task] == DEFERRED:
            self._go_on(event.task)

    def _await_message(self, task: int, topic: str | None, at: float) -> None:
        """A task that has come too early gets the message that it waits for, if that is there."""
        if topic is None:
            return
        self._tasks.topics[task] = topic
        is_new = (task, topic) not in self._tasks.asked
        self._tasks.asked.setdefault((task, topic), at)
        if self._untaken.get(topic):
            self._untaken[topic] -= 1
            self._go_on(task)
        elif is_new and topic.startswith(DECISIONS) and self._tasks.policy(task).asking is not None:
            self._tell("asks", task)

    def _message_received(self, event: MessageReceived) -> None:
        tasks = self._tasks
        waiting = [task for task, topic in tasks.topics.items() if topic == event.topic]
        if waiting:
            self._go_on(min(waiting, key=lambda task: (tasks.asked[task, event.topic], task)))
        else:
            self._untaken[event.topic] = self._untaken.get(event.topic, 0) + 1

    def _go_on(self, task: int) -> None:
        """What was too early is not any more."""
        self._tasks.put(task, PENDING)

    def _retry_due(self, event: RetryDue) -> None:
        if not self._is_unknown(event, event.task) and self._tasks.states[event.task] == RETRYING:
            self._tasks.put(event.task, PENDING)

    def _is_current(self, event: Outcome) -> bool:
        """Whether this is the outcome of the attempt under way."""
        task, attempt = event.task, event.attempt
        if self._is_unknown(event, task):
            return False
        last = self._tasks.last[task]
        if attempt == last and self._tasks.states[task] == RUNNING:
            return True
        if not 0 < attempt <= last:
            rule = "I8" if isinstance(event, AttemptSucceeded) else "I5"
            self._say(rule, f"attempt {attempt} of {self._name(task)} ended and had never started")
        elif (self._tasks.name(task), attempt) not in self._fenced:
            self._say("I5", f"attempt {attempt} of {self._name(task)} has two outcomes")
        return False

    # --- What follows

    def _is_to_end(self, task: int) -> bool:
        """Whether a task is not to go on, since the run is to end: teardowns are, till somebody asks again."""
        return self._cause is not None and (self._forced or not self._tasks.policy(task).teardown)

    def _lose(self, task: int) -> None:
        """An attempt vanished with its worker or driver. The task has failed by that, perhaps for good, or goes on."""
        lost = self._tasks.lost[task] = self._tasks.lost.get(task, 0) + 1
        if self._tasks.is_once(task):
            self._fail(task)
        elif self._is_to_end(task):
            self._cancel(task)
        elif lost >= MAX_LOST_ATTEMPTS:
            self._tasks.final.add(task)
            self._fail(task)
        else:
            self._tasks.put(task, PENDING)

    def _cancel(self, task: int) -> None:
        self._tasks.put(task, CANCELLED)
        self._tasks.settle([task])

    def _fail(self, task: int) -> None:
        self._tasks.put(task, FAILED)
        self._tell("failed", task)
        if not self._tasks.units(task):
            self._tasks.newly_failed.append(task)
        self._tasks.settle([task])

    def _look_at_failures(self) -> None:
        """What has failed for good may be enough for the run to end."""
        if self._cause is None and (failure := self._first_failure()):
            self._stop_for(failure)

    def _first_failure(self) -> FirstFailure | None:
        counting = [task for task in sorted(self._tasks.newly_failed) if self._tasks.policy(task).failure_counts]
        return FirstFailure(self._tasks.name(counting[0])) if counting and self._tasks.plan.fail_fast else None

    def _stop_for(self, cause: Cause) -> None:
        self._cause = self._cause or cause
        self._tasks.disturbed = True
        self._tasks.cancel_waiting(teardowns=self._forced)

    def _fence(self) -> list[int]:
        """The tasks with an attempt under way, which may speak no more."""
        tasks = self._tasks.those(RUNNING)
        self._fenced.update((self._tasks.name(task), self._tasks.last[task]) for task in tasks)
        return tasks

    # --- Words

    def _tell(self, what: str, task: int) -> None:
        tasks = self._tasks
        named = tasks.policy(task).notices
        self._notices.tell_of_task(what, tasks.name(task), named, tasks.generations[task], tasks.last[task])

    def _is_unknown(self, event: Event, task: int) -> bool:
        if 0 <= task < len(self._tasks.states):
            return False
        self._say("I10", f"{type(event).__name__} speaks of task {task}, of which the plan has none")
        return True

    def _name(self, task: int) -> str:
        return f"task '{self._tasks.name(task)}'"

    def _say(self, rule: str, sentence: str) -> None:
        self._found.append(f"{rule}: {sentence}")
