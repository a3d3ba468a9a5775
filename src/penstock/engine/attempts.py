"""What becomes of attempts: how the outcome of a task's body moves the task, and with it the run.

An event about an attempt that is no longer the task's current one is stale: it changes nothing and is no error, since
workers may speak late.
"""

from __future__ import annotations

from penstock.engine.columns import (
    DEFERRED,
    EXPANDED,
    PENDING,
    READY,
    RETRYING,
    RUNNING,
)
from penstock.engine.columns import InvalidEvent as InvalidEvent  # noqa: PLC0414  (it comes out of this door)
from penstock.engine.commands import Command, DispatchTasks, ExpandMaps, SetTimer
from penstock.engine.ends import NOTHING, Commands, Ends
from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    ErrorText,
    ExpansionFailed,
    GroupRetryDue,
    MapExpanded,
    MessageReceived,
    RetryDue,
    TaskWoken,
)
from penstock.engine.law import WHEN_ENDED, WHILE_OPEN, Outcomes, Verdict
from penstock.engine.readiness import Wave
from penstock.engine.retries import pause, poll_pause
from penstock.engine.states import NEXT_STATE, Cause, RunState
from penstock.plan.plan import Plan
from penstock.policy import DECISIONS, MAX_LOST_ATTEMPTS

_STARTED, _SUCCEEDED = int(Cause.STARTED), int(Cause.SUCCEEDED)
_SUCCESS_SEEN, _WAIT, _RUN = int(Outcomes.SUCCESS), int(Verdict.WAIT), int(Verdict.RUN)


class Attempts(Ends):
    """The tasks of one run, as their attempts move them."""

    def _lay_out(self, plan: Plan) -> None:
        super()._lay_out(plan)
        self._alone = frozenset(row for row, head in plan.mapped.items() if row == head and row not in plan.units)
        """Maps of one task each, in no group that is tried again."""
        self._is_plain = not plan.held and not plan.maps and not plan.setups and not plan.groups

    # --- Outcomes

    def _attempt_started(self, event: AttemptStarted) -> Commands:
        task = event.task
        state = NEXT_STATE[self.states[task]][_STARTED]
        if state < 0 or event.attempt != self.attempts[task] + 1 or task in self.plan.maps:
            raise self._invalid(event, task)
        self.states[task] = state
        self.attempts[task] = event.attempt
        self.started[task] = event.at
        return NOTHING

    def _attempt_started_and_told(self, event: AttemptStarted) -> Commands:
        self._attempt_started(event)
        return self._tell("started", [event.task], event.at)

    def _attempt_succeeded(self, event: AttemptSucceeded) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        states = self.states
        states[task] = NEXT_STATE[states[task]][_SUCCEEDED]
        if event.value is not None:
            self.values[task] = event.value
        if self.errors:
            self.errors.pop(task, None)
        if event.chosen is not None:
            self.chosen[task] = event.chosen
        if not self._is_plain:
            return NOTHING if self._joins_others(event) else self._close([task], event.at)
        # What follows is what _close does, as fast as it can be where nothing but rules counts.
        self.ended[task] = event.at
        self.unfinished -= 1
        ready, wave, queue = [], None, list[int]()
        missing, masks, rules = self.missing, self.masks, self.plan.rules
        for down in self.plan.downstreams[task]:
            missing[down] -= 1
            masks[down] |= _SUCCESS_SEEN
            if states[down] == PENDING:
                verdict = (WHILE_OPEN if missing[down] else WHEN_ENDED)[rules[down]][masks[down]]
                if verdict == _RUN:
                    states[down] = READY
                    ready.append(down)
                elif verdict != _WAIT:
                    wave = wave or Wave()
                    self._decide(down, event.at, wave, queue)
        if wave is not None:
            wave.ready = ready
            return self._after(self._spread(queue, event.at, wave), event.at)
        if ready:
            return (DispatchTasks(ready),)
        return NOTHING if self.unfinished else self._end(event.at)

    def _joins_others(self, event: AttemptSucceeded) -> bool:
        """Count an instance that has succeeded like another before it, while others are still to end: nobody else sees
        anything of that. Whether it is such a one."""
        if event.task < self.size:
            return False
        row = self.rows[event.task - self.size]
        if row not in self._alone or self.states[row] != EXPANDED or event.chosen is not None:
            return False
        left = self.open[row] - 1
        if not left or not self.seen[row] & _SUCCESS_SEEN:
            return False
        self.ended[event.task] = event.at
        self.open[row] = left
        return True

    def _attempt_succeeded_and_told(self, event: AttemptSucceeded) -> Commands:
        if self._is_stale(event):
            return NOTHING
        told = self._tell("success", [event.task], event.at)  # first, since the run may end with it
        return (*told, *self._attempt_succeeded(event))

    def _attempt_skipped(self, event: AttemptSkipped) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        self._move(task, Cause.SKIPPED)
        self.skips[task] = event.reason
        self.errors.pop(task, None)
        self._tell_skipped(task, event.at)
        return self._close([task], event.at)

    def _attempt_failed(self, event: AttemptFailed) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        self.errors[task] = event.error
        failures = self.failures[task] = self.failures.get(task, 0) + 1
        policy = self.policy(task)
        if not event.retryable:
            self.final.add(task)
        if not event.retryable or failures > policy.retries:
            return self._fail([task], event.at)
        if self._is_to_end(task):  # it might yet have succeeded
            return self._cancel([task], event.at)
        self.delays.pop(task, None)
        if event.delay is not None:
            self.delays[task] = event.delay
        due = self.retries_due[task] = event.at + self.retry_pause(task)
        self._move(task, Cause.FAILED_WITH_RETRY)
        return (*self._tell("retry", [task], event.at), SetTimer(task, due))

    def retry_pause(self, task: int) -> float:
        """Seconds between a task's latest attempt, which failed, and the next."""
        if task in self.delays:
            return self.delays[task]
        seed = f"{self.run_id}/{self.name(task)}/{self.generation(task)}/{self.attempts[task]}"
        return pause(self.policy(task), self.failures[task], seed)

    def _attempt_lost(self, event: AttemptLost) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        self.errors[task] = event.error
        if self._is_to_end(task) and not self.is_spent(task):
            return self._cancel([task], event.at)
        if self._count_lost(task):
            return self._fail([task], event.at)
        self._move(task, Cause.LOST)
        return (DispatchTasks([task]),)

    def _attempt_cancelled(self, event: AttemptCancelled) -> Commands:
        if self._is_stale(event):
            return NOTHING
        if self._cause is None:
            raise self._invalid(event, event.task)
        return self._cancel([event.task], event.at)

    def _attempt_deferred(self, event: AttemptDeferred) -> Commands:
        """A body came too early: it has another attempt later, unless it has waited long enough."""
        task, at = event.task, event.at
        polling = self.policy(task).polling
        if self._is_stale(event):
            return NOTHING
        if event.until is None and event.topic is None and polling is None:
            raise self._invalid(event, task)
        if self._is_to_end(task):
            return self._cancel([task], at)
        if self.is_spent(task):
            self.errors[task] = ErrorText("Defer", "it came too early, and at_most_once forbids another attempt")
            return self._fail([task], at)
        since = self.waiting_since.setdefault(task, self.started[task])
        looks = self.deferrals[task] = self.deferrals.get(task, 0) + 1
        give_up = since + polling.timeout if polling is not None and polling.timeout is not None else float("inf")
        if at >= give_up:
            return self._give_up_waiting(task, at)
        if event.until is not None:
            due, self.delays[task] = event.until, max(0.0, event.until - at)
        else:
            self.delays[task] = poll_pause(polling, looks) if polling is not None else float("inf")
            due = at + self.delays[task]
        self.retries_due[task] = min(due, give_up)
        self._move(task, Cause.DEFERRED)
        if event.topic is not None:
            return self._await_message(task, event.topic, at)
        return self._timer_of(task)

    def _await_message(self, task: int, topic: str, at: float) -> Commands:
        """A deferred task waits for a message, another than it has had; one may be there already."""
        self.topics[task] = topic
        self.letters.get(task, {}).pop(topic, None)
        asked = self.asked.setdefault(task, {})
        is_new = topic not in asked
        asked.setdefault(topic, at)
        if kept := self.mailbox.get(topic):
            message = kept.pop(0)
            if not kept:
                del self.mailbox[topic]
            return self._hand_over(task, message)
        return (*self._tell_question(task, topic, at), *self._timer_of(task)) if is_new else self._timer_of(task)

    def _tell_question(self, task: int, topic: str, at: float) -> Commands:
        """Tell whoever wants to know what a person is asked, if one is."""
        asking = self.policy(task).asking
        if asking is None or not topic.startswith(DECISIONS):
            return NOTHING
        return self._tell("asks", [task], at, asking.text.partition("\n")[0])

    def _timer_of(self, task: int) -> Commands:
        """What wakes a task that pauses, unless only a message does."""
        due = self.retries_due[task]
        return (SetTimer(task, due),) if due < float("inf") else NOTHING

    def _message_received(self, event: MessageReceived) -> Commands:
        waiting = [task for task, topic in self.topics.items() if topic == event.topic]
        if not waiting:
            self.mailbox.setdefault(event.topic, []).append(event)
            return NOTHING
        return self._hand_over(min(waiting, key=lambda task: (self.asked[task][event.topic], task)), event)

    def _hand_over(self, task: int, message: MessageReceived) -> Commands:
        self.letters.setdefault(task, {})[message.topic] = message
        return self._wake(task)

    def _give_up_waiting(self, task: int, at: float) -> Commands:
        polling = self.policy(task).polling
        assert polling is not None
        story = f"it waited for {polling.timeout:g} s, and what it waits for has not come"
        if polling.soft_fail:
            self._move(task, Cause.SKIPPED)
            self.skips[task] = story
            self.errors.pop(task, None)
            self._tell_skipped(task, at)
            return self._close([task], at)
        self.errors[task] = ErrorText("SensorTimeout", story)
        self.final.add(task)
        return self._fail([task], at)

    def _task_woken(self, event: TaskWoken) -> Commands:
        task = event.task
        return self._wake(task) if self.states[task] == DEFERRED else NOTHING

    def _wake(self, task: int) -> Commands:
        self._move(task, Cause.WOKEN)
        self._pause_no_more(task)
        return (DispatchTasks([task]),)

    def _retry_due(self, event: RetryDue) -> Commands:
        task = event.task
        if self.states[task] != RETRYING:
            return NOTHING
        self._move(task, Cause.RETRY_DUE)
        del self.retries_due[task]
        return (DispatchTasks([task]),)

    def _is_stale(
        self,
        event: AttemptSucceeded | AttemptSkipped | AttemptDeferred | AttemptFailed | AttemptLost | AttemptCancelled,
    ) -> bool:
        if self.states[event.task] == RUNNING and self.attempts[event.task] == event.attempt:
            return False
        if event.attempt > self.attempts[event.task]:
            raise self._invalid(event, event.task)
        return True

    def _count_lost(self, task: int) -> bool:
        """Count a lost attempt; whether it was one too many."""
        lost = self.lost[task] = self.lost.get(task, 0) + 1
        if self.is_spent(task):
            story = "the worker or driver died while this task ran, and at_most_once forbids another attempt"
        elif lost >= MAX_LOST_ATTEMPTS:
            story = f"the worker or driver died {lost} times while this task ran; it is not tried again by itself"
        else:
            return False
        self.final.add(task)
        last = self.errors.get(task)
        self.errors[task] = ErrorText("WorkerLost", f"{story}. Last: {last.message}" if last else story)
        return True

    # --- Going on

    def _go_on(self, at: float) -> Commands:
        """The run is under way (again): whatever waits for nothing is ready."""
        self.state = RunState.RUNNING
        self.ended_at = None
        self.error = None
        self._weigh_all(at)
        if self._is_over():
            return self._end(at)
        ready = self._those(READY)
        maps = [task for task in ready if task in self.plan.maps]
        commands: list[Command] = [ExpandMaps(maps)] if maps else []
        if len(maps) < len(ready):
            commands.append(DispatchTasks([task for task in ready if task not in self.plan.maps]))
        for task, due in self.retries_due.items():
            self.retries_due[task] = min(due, at + self.retry_pause(task))  # the clock may have been set back since
        timers = [timer for task in self.retries_due for timer in self._timer_of(task)]
        return (*commands, *timers, *self._timers(at))

    # --- Maps and groups

    def _map_expanded(self, event: MapExpanded) -> Commands:
        row, at = event.task, event.at
        if row not in self.plan.maps or event.width < 0:
            raise self._invalid(event, row)
        if self.states[row] != READY:
            return NOTHING
        for head in (row, *self.plan.expanded_by.get(row, ())):  # in an earlier plan they may have been maps
            self.errors.pop(head, None)
        wave = Wave()
        self.map_names[row] = event.names
        if not event.width:
            self._drop_instances(row, at)
            self._move(row, Cause.SKIPPED)
            self._tell_skipped(row, at)
            return self._close([row], at)
        if self.plan.maps[row] == "task":
            self._widen(row, event.width, at)
            ended = self._expand(row, at)
            self._pass_on_to(self._show_kept(row), at, wave, ended)
            self._release_instances(row, at, wave)
        else:
            inside = self.plan.expanded_by[row]
            for head in inside:
                self._widen(head, event.width, at)
            self._begin_units(inside, event.width)
            ended = [task for head in inside for task in self._expand(head, at)]
            for task in inside:
                for slot in self.slots(task):
                    self._count(slot)
            self._move(row, Cause.EXPANDED)
            self._move(row, Cause.SUCCEEDED)
            self._mark_ended(row, at)
            for head in inside:
                self._pass_on_to(self._show_kept(head), at, wave, ended)
            ended.append(row)
        self._spread(ended, at, wave)
        return self._after(wave, at)

    def _expansion_failed(self, event: ExpansionFailed) -> Commands:
        row = event.task
        if row not in self.plan.maps:
            raise self._invalid(event, row)
        if self.states[row] != READY:
            return NOTHING
        self.attempts[row] += 1  # each failure is told under a name of its own
        self.errors[row] = event.error
        self._drop_instances(row, event.at)
        return self._fail([row], event.at)

    def _group_retry_due(self, event: GroupRetryDue) -> Commands:
        unit = event.group, event.index
        if unit not in self.rounds_due:
            return NOTHING
        wave = Wave()
        self._begin_round(unit, event.at, wave)
        return self._after(wave, event.at)
