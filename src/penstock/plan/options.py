"""From the options that users write to policies: every value checked, and told of by name and place if it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, cast

from penstock.definition.group import TaskGroup, mapped_group
from penstock.definition.options import options_of
from penstock.definition.task import Task, TaskOptions
from penstock.definition.workflow import Workflow
from penstock.errors import DefinitionError
from penstock.plan.approval_options import OF_APPROVALS, ApprovalOptions
from penstock.plan.option_values import MORE_THAN_0, Owner
from penstock.plan.telling import told
from penstock.policy import (
    Callback,
    Decides,
    Polling,
    RunStateRule,
    TaskPolicy,
    TriggerRule,
    WeightRule,
    misnamed_pool,
)

TASK_CALLBACKS: Mapping[str, str] = MappingProxyType(
    {
        "success": "on_success",
        "failed": "on_failure",
        "retry": "on_retry",
        "skipped": "on_skip",
        "started": "on_execute",
        "asks": "on_ask",
    }
)
"""What a task may be told of -> the option that says by whom."""
RUN_CALLBACKS: Mapping[str, str] = MappingProxyType(
    {"success": "on_success", "failed": "on_failure", "cancelled": "on_cancel", "started": "on_start"}
)
"""What a run may be told of -> the option of the workflow that says by whom."""

_RULES = tuple(rule for rule in TriggerRule if rule is not TriggerRule.ALL_DONE_SETUP_SUCCESS)
_RUN_STATES: tuple[RunStateRule, ...] = ("any", "leaves")
_WEIGHT_RULES: tuple[WeightRule, ...] = ("downstream", "upstream", "absolute")
_WEEK = 604_800.0
_OF_ONE_TASK = ("branch", "short_circuit", "sensor", "approval", "setup", "teardown")
"""Options that say what a task is: defaults say how tasks are run."""
_OF_SENSORS = frozenset({"poll_interval", "poll_backoff", "max_poll_interval", "poll_timeout", "soft_fail"})
_OF_SOME_TASKS = (
    _OF_SENSORS
    | OF_APPROVALS
    | {*("trigger_rule", "on_failure_fail_run", "ignore_downstream_trigger_rules", "max_active_instances", "map_name")}
    | {"pool_slots"}
)
"""Options that only tasks of some kind may have. A default is for those, and refused for none."""


class Options(ApprovalOptions):
    """Reads the options of one workflow, its groups and its tasks."""

    def __init__(self, workflow: Workflow, problem: Callable[[type[DefinitionError], str, str], None]) -> None:
        super().__init__(problem)
        self.workflow = workflow
        self._owner = Owner(f"workflow '{workflow.name}'", workflow.where)
        self.defaults = self._check_defaults(workflow.defaults, self._owner)
        for group in workflow.groups:
            self._check_defaults(group.defaults, _owner_of(group))
        self._policies: dict[Hashable, TaskPolicy] = {}
        self._plain = not _OF_SOME_TASKS.intersection(self.defaults)
        """Whether no default is for some tasks only."""

    # --- Of the workflow and its groups

    def timeout(self) -> float | None:
        """How long a run may take, in seconds."""
        return self._duration(self.workflow.timeout, "timeout", self._owner, least=MORE_THAN_0)

    def fail_fast(self) -> bool:
        """Whether the first failure ends a run."""
        return self._flag(self.workflow.fail_fast, "fail_fast", self._owner)

    def run_state(self) -> RunStateRule:
        """Which failures fail a run."""
        return self._choice(self.workflow.run_state, _RUN_STATES, "run_state", self._owner)

    def max_active_tasks(self) -> int | None:
        """How many tasks of a run may be under way at once."""
        return self._bound(self.workflow.max_active_tasks, "max_active_tasks", self._owner)

    def callbacks(self) -> dict[str, Callback]:
        """Who is told of the ends of runs."""
        found: dict[str, Callback] = {}
        for name, option in RUN_CALLBACKS.items():
            callback = getattr(self.workflow, option)
            if self._is_callback(callback, option, self._owner):
                found[name] = callback
        return found

    def group_policy(self, group: TaskGroup) -> TaskPolicy | None:
        """How a group is tried again as a unit; None if it is not."""
        owner = _owner_of(group)
        policy = TaskPolicy(
            retries=self._count(group.retries, "retries", owner),
            retry_delay=self._duration(group.retry_delay, "retry_delay", owner) or 0.0,
            retry_backoff=self._number(group.retry_backoff, "retry_backoff", owner),
            max_retry_delay=self._duration(group.max_retry_delay, "max_retry_delay", owner),
        )
        if group.tooltip is not None and not isinstance(group.tooltip, str):
            self._wrong(owner, f"tooltip={group.tooltip!r} is not a text")
        return policy if policy.retries else None

    def _check_defaults(self, defaults: Any, owner: Owner) -> TaskOptions:
        if not isinstance(defaults, dict):
            self._wrong(owner, f"defaults={defaults!r} are not a dict of options")
            return {}
        for name in _OF_ONE_TASK:
            if name in defaults:
                self._wrong(owner, f"{name} is no default: say it of the tasks that it is true of")
        return cast(TaskOptions, {name: value for name, value in defaults.items() if name not in _OF_ONE_TASK})

    # --- Of tasks

    def policy(self, task: Task) -> TaskPolicy:
        """What the options of a task come to."""
        options: Mapping[str, Any] = task.options
        if self.defaults or task.group is not None:
            options = self._with_defaults(task)
        if not options:
            return _DEFAULT_POLICY
        if "approval" in options or "waits_for" in options:  # which speak of the arguments of the very task
            return self._read(task, options)
        # Types too, since 1 == True == 1.0.
        key = (_kind(task), *((name, type(value), value) for name, value in options.items()))
        try:
            policy = self._policies.get(key)
        except TypeError:  # an unhashable value: a callable object, or one that is wrong and told of below
            return self._read(task, options)
        if policy is None:
            before = self._problems
            policy = self._read(task, options)
            if self._problems == before:
                self._policies[key] = policy
        return policy

    def _with_defaults(self, task: Task) -> Mapping[str, Any]:
        options = options_of(task, self.defaults)
        if self._plain and (task.group is None or not _OF_SOME_TASKS.intersection(task.group.all_defaults)):
            return options
        apt = {"trigger_rule"} if options.get("teardown") is not True else {"on_failure_fail_run"}
        if options.get("short_circuit") is True:
            apt.add("ignore_downstream_trigger_rules")
        if options.get("sensor") is True:
            apt |= _OF_SENSORS
        if options.get("approval") is True:
            apt |= OF_APPROVALS
        if options.get("pool") is not None:
            apt.add("pool_slots")
        if task.expand is not None:
            apt |= {"max_active_instances", "map_name"}
        elif _kind(task) == "group":
            apt.add("max_active_instances")
        unfit = _OF_SOME_TASKS - apt
        return {name: value for name, value in options.items() if name not in unfit or name in task.options}

    def _read(self, task: Task, options: Mapping[str, Any]) -> TaskPolicy:
        owner = _owner_of(task)
        self._check_names(options, TaskOptions.__annotations__, owner)
        self._check_exceptions(options.get("retry_on", Exception), "retry_on", owner)
        self._check_retry_policy(options.get("retry_policy", ()), owner)
        self._check_condition(options.get("run_if"), "run_if", owner)
        self._check_condition(options.get("skip_if"), "skip_if", owner)
        self._check_map_name(options, task, owner)
        retries, at_most_once = self._retries(options, owner)
        setup, teardown, on_failure_fail_run = self._setup_or_teardown(options, owner)
        return TaskPolicy(
            retries=retries,
            retry_delay=self._duration(options.get("retry_delay", 0), "retry_delay", owner) or 0.0,
            retry_backoff=self._number(options.get("retry_backoff", 1.0), "retry_backoff", owner),
            max_retry_delay=self._duration(options.get("max_retry_delay"), "max_retry_delay", owner),
            retry_jitter=self._number(options.get("retry_jitter", 0.0), "retry_jitter", owner),
            timeout=self._duration(options.get("timeout"), "timeout", owner, least=MORE_THAN_0),
            share=self._flag(options.get("share", False), "share", owner),
            at_most_once=at_most_once,
            commit_first=self._flag(options.get("commit_first", False), "commit_first", owner),
            notices=tuple(
                name for name, option in TASK_CALLBACKS.items() if self._is_callback(options.get(option), option, owner)
            ),
            trigger_rule=self._rule(options, teardown, owner),
            allow_failure=self._flag(options.get("allow_failure", False), "allow_failure", owner),
            setup=setup,
            teardown=teardown,
            on_failure_fail_run=on_failure_fail_run,
            decides=self._decides(options, owner),
            max_active_instances=self._max_active_instances(options, task, owner),
            **self._slots(options, owner),
            concurrency=self._bound(options.get("concurrency"), "concurrency", owner),
            priority_weight=self._priority_weight(options.get("priority_weight"), owner),
            weight_rule=self._weight_rule(options.get("weight_rule"), owner),
            polling=self._polling(options, owner),
            asking=self._asking(options, task, owner),
            waits_for=self._waits_for(options.get("waits_for"), task, owner),
        )

    def _check_map_name(self, options: Mapping[str, Any], task: Task, owner: Owner) -> None:
        text = options.get("map_name")
        if text is not None and not isinstance(text, str):
            self._wrong(owner, f"map_name={text!r} is not a text")
        elif text is not None and _kind(task) != "itself":
            self._wrong(owner, f"map_name={text!r} is for mapped tasks: map it with .expand(...), or leave it out")

    def _retries(self, options: Mapping[str, Any], owner: Owner) -> tuple[int, bool]:
        """How many retries there are, and whether there must not be any."""
        retries = self._count(options.get("retries", 0), "retries", owner)
        at_most_once = self._flag(options.get("at_most_once", False), "at_most_once", owner)
        if at_most_once and retries:
            self._wrong(
                owner,
                f"at_most_once=True forbids a second attempt, and retries={retries} asks for one; "
                "set retries=0 on this task, or leave at_most_once out",
            )
            return 0, at_most_once
        return retries, at_most_once

    def _setup_or_teardown(self, options: Mapping[str, Any], owner: Owner) -> tuple[bool, bool, bool]:
        """Whether it is a setup, is a teardown, and fails the run as a teardown."""
        setup = self._flag(options.get("setup", False), "setup", owner)
        teardown = self._flag(options.get("teardown", False), "teardown", owner)
        fails_run = self._flag(options.get("on_failure_fail_run", False), "on_failure_fail_run", owner)
        if setup and teardown:
            self._wrong(owner, "it is both a setup and a teardown; make two tasks of it")
            return False, True, fails_run
        if fails_run and not teardown:
            self._wrong(owner, "on_failure_fail_run=True is for teardowns: the failure of any other task fails the run")
            return setup, teardown, False
        return setup, teardown, fails_run

    def _rule(self, options: Mapping[str, Any], teardown: bool, owner: Owner) -> TriggerRule:
        if teardown:
            if "trigger_rule" in options:
                self._wrong(
                    owner,
                    f"trigger_rule={_text(options['trigger_rule'])} on a teardown: it runs if one of its setups has "
                    "succeeded, whatever became of the tasks in between; leave the rule out",
                )
            return TriggerRule.ALL_DONE_SETUP_SUCCESS
        rule = options.get("trigger_rule", TriggerRule.ALL_SUCCESS)
        if rule == TriggerRule.ALL_DONE_SETUP_SUCCESS:
            self._wrong(
                owner,
                "trigger_rule='all_done_setup_success' is the rule of teardowns; make it one with @teardown or "
                ".as_teardown(setups=...)",
            )
            return TriggerRule.ALL_SUCCESS
        return self._choice(rule, _RULES, "trigger_rule", owner)

    def _decides(self, options: Mapping[str, Any], owner: Owner) -> Decides:
        branch = self._flag(options.get("branch", False), "branch", owner)
        short_circuit = self._flag(options.get("short_circuit", False), "short_circuit", owner)
        name = "ignore_downstream_trigger_rules"
        self._flag(options.get(name, True), name, owner)
        if branch and short_circuit:
            self._wrong(owner, "it is both a branch and a short circuit; make two tasks of it")
        elif name in options and not short_circuit:
            self._wrong(owner, f"{name} is for short circuits: use @task.short_circuit, or leave it out")
        return "branch" if branch else "short_circuit" if short_circuit else ""

    def _polling(self, options: Mapping[str, Any], owner: Owner) -> Polling | None:
        if not self._flag(options.get("sensor", False), "sensor", owner):
            for name in sorted(_OF_SENSORS.intersection(options)):
                self._wrong(owner, f"{name} is for sensors: use @task.sensor, or leave it out")
            return None
        if options.get("at_most_once") is True:
            self._wrong(owner, "at_most_once=True forbids a second look, and a sensor looks again and again")
        if options.get("branch") is True or options.get("short_circuit") is True:
            self._wrong(owner, "it is both a sensor and something that decides; make two tasks of it")
        timeout = options.get("poll_timeout", _WEEK)
        return Polling(
            interval=self._duration(options.get("poll_interval", 60.0), "poll_interval", owner) or 0.0,
            backoff=self._number(options.get("poll_backoff", 1.0), "poll_backoff", owner),
            longest=self._duration(options.get("max_poll_interval"), "max_poll_interval", owner),
            timeout=self._duration(timeout, "poll_timeout", owner, least=MORE_THAN_0),
            soft_fail=self._flag(options.get("soft_fail", False), "soft_fail", owner),
        )

    def _waits_for(self, text: Any, task: Task, owner: Owner) -> str | None:
        if text is None:
            return None
        try:
            return told(text, task)
        except ValueError as error:
            self._wrong(owner, f"waits_for={text!r:.60} {error}")
            return None

    def _max_active_instances(self, options: Mapping[str, Any], task: Task, owner: Owner) -> int | None:
        name = "max_active_instances"
        bound = options.get(name)
        if bound is None:
            return None
        if not _kind(task):
            self._wrong(owner, f"{name}={bound!r} is for mapped tasks: map it with .expand(...), or leave it out")
            return None
        return self._bound(bound, name, owner)

    def _slots(self, options: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        """The pool, and how many of its slots an attempt takes."""
        pool, slots = options.get("pool"), options.get("pool_slots", 1)
        wrong = pool is not None and misnamed_pool(pool)
        if wrong:
            self._wrong(owner, f"pool={pool!r:.80} {wrong}")
        if pool is None and "pool_slots" in options:
            self._wrong(
                owner, f"pool_slots={slots!r} takes slots of no pool: say which, with pool=..., or leave it out"
            )
        elif self._count(slots, "pool_slots", owner, least=1) > 1 and not wrong:
            return {"pool": pool, "pool_slots": slots}
        return {"pool": None if wrong else pool}

    def _priority_weight(self, weight: Any, owner: Owner) -> int | None:
        if weight is None or type(weight) is int:
            return weight
        self._wrong(owner, f"priority_weight={weight!r} is not a whole number")
        return None

    def _weight_rule(self, rule: Any, owner: Owner) -> WeightRule | None:
        return None if rule is None else self._choice(rule, _WEIGHT_RULES, "weight_rule", owner)


def _owner_of(step: Task | TaskGroup) -> Owner:
    return Owner(f"{'task' if isinstance(step, Task) else 'task group'} '{step.name}'", step.where)


def _kind(task: Task) -> str:
    """By what a task is mapped."""
    if task.expand is not None:
        return "itself"
    return "" if task.group is None or mapped_group(task) is None else "group"


def _text(rule: Any) -> str:
    return repr(str(rule)) if isinstance(rule, TriggerRule) else repr(rule)


_DEFAULT_POLICY = TaskPolicy()
