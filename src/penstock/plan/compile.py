"""From a workflow to its plan: every check that can be made before anything runs, all problems found in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, NoneType
from typing import Any, NamedTuple

from penstock.definition.group import GroupExpansion, group_of
from penstock.definition.options import options_of
from penstock.definition.params import Parameter
from penstock.definition.partial import Partial
from penstock.definition.placeholder import Placeholder
from penstock.definition.sub_workflow import WorkflowCall
from penstock.definition.task import Task, TaskOptions
from penstock.definition.workflow import Workflow
from penstock.errors import (
    ArgumentsError,
    CycleError,
    DefinitionError,
    InvalidWorkflowError,
    NotCallableError,
    OptionError,
    ParameterError,
)
from penstock.plan.arguments import misfit, surely_fits
from penstock.plan.collector import collector_at_rest
from penstock.plan.fulfilment import check
from penstock.plan.gates import Facts, find_gates, find_setups
from penstock.plan.graph import cycles, is_in_order, topological_order
from penstock.plan.groups import Groups
from penstock.plan.lookup import Lookup, shown
from penstock.plan.maps import Maps
from penstock.plan.nesting import Nesting, check_parameters, check_result
from penstock.plan.options import TASK_CALLBACKS, Options
from penstock.plan.plan import MapKind, Plan
from penstock.plan.wiring import Wiring
from penstock.policy import Callback, TaskPolicy

Identify = Callable[[Callable[..., Any]], tuple[str, str]]
"""From a function to its "module:qualname" and the digest of its code."""


class Compiled(NamedTuple):
    """A plan, and the task behind each of its rows."""

    plan: Plan
    tasks: tuple[Task, ...]
    defaults: TaskOptions
    """The workflow's options for tasks that do not set them, nor the groups around them."""
    callbacks: Mapping[str, Callback] = MappingProxyType({})
    """Who is told of the end of a run, by what Plan.notices calls it."""
    parameters: Mapping[str, Parameter] = MappingProxyType({})
    """What a run of the workflow is given."""
    result: Any = None
    """What a run of it is to a workflow that it is a task of, with outputs in the place of values."""
    children: Mapping[str, Compiled] = MappingProxyType({})
    """Tasks -> the workflows that they run, as far as those are known before anything runs."""

    def options(self, task: int) -> Mapping[str, Any]:
        """All options of a task, those by default included."""
        return options_of(self.tasks[task], self.defaults)

    def callback(self, task: int | None, kind: str) -> Callback | None:
        """Who is to be told a notice of this kind about a task or, for None, about the run; None if nobody is."""
        name = kind.rpartition("_")[2]
        if task is None:
            return self.callbacks.get(name)
        callback: Callback | None = self.options(task).get(TASK_CALLBACKS[name])
        return callback


def compile_workflow(workflow: Workflow, identify: Identify) -> Compiled:
    """The plan of a workflow. One problem is raised as itself, several as an InvalidWorkflowError with all of them."""
    with collector_at_rest():
        return _Compiler(workflow, identify, Nesting()).compile()


class _Compiler:
    def __init__(self, workflow: Workflow, identify: Identify, nesting: Nesting) -> None:
        self.workflow = workflow
        self.identify = identify
        self.nesting = nesting
        self.problems: list[DefinitionError] = []
        self._check_workflow()
        self.lookup = Lookup(workflow, self.problems)
        self.tasks = self.lookup.tasks
        self.options = Options(workflow, self._problem)
        self.groups = Groups(workflow, self.lookup, self.problems)
        self.maps = Maps(workflow, self.problems)
        self.waiting: dict[int, list[int]] = {}
        """Tasks -> the groups that they wait for."""
        self.widths: dict[int, tuple[int, ...]] = {}
        """Rows that are mapped -> the tasks that they take their width from."""
        self.told: list[Partial] = []
        """What was given arguments in vain, and has been told of."""
        self.sources: dict[int, Wiring] = {}
        """Mapped groups, by identity -> what they are mapped over."""
        self.calls: list[int] = []
        """The tasks that run workflows."""

    def compile(self) -> Compiled:
        timeout, callbacks = self.options.timeout(), self.options.callbacks()
        fail_fast, run_state = self.options.fail_fast(), self.options.run_state()
        max_active_tasks = self.options.max_active_tasks()
        rows = [self._row(number, task) for number, task in enumerate(self.tasks)]
        for partial in self.workflow.partials:
            if not partial.mapped:
                self._tell_of_partial(partial)
        groups = self.groups.columns(self.options.group_policy)
        facts = self._facts(rows)
        if not facts.plain:
            self._check_teardowns(facts)
        if facts.expansions or not is_in_order(facts.upstreams):
            self._find_cycles(facts.above())
        self._raise_problems()
        gates = find_gates(facts)
        plan = Plan(
            workflow=self.workflow.name,
            names=tuple(self.lookup.numbers),
            upstreams=tuple(facts.upstreams),
            inputs=tuple(facts.inputs),
            policies=tuple(facts.policies),
            functions=tuple(row.function for row in rows),
            digests=tuple(row.digest for row in rows),
            wiring=tuple(row.wiring for row in rows),
            numbered=frozenset(number for number, task in enumerate(self.tasks) if task.numbered),
            places=tuple(self._places()),
            timeout=timeout,
            tags=self.workflow.tags,
            build=Wiring().text((), self.workflow.build_values),
            notices=tuple(callbacks),
            deciders=gates.deciders,
            guards=gates.guards,
            waits=gates.waits,
            setups=gates.setups,
            groups=groups,
            maps={row: self._map_kind(row) for row in self.widths},
            fail_fast=fail_fast,
            run_state=run_state,
            max_active_tasks=max_active_tasks,
        )
        self.problems += check(plan, self.tasks)
        self._raise_problems()
        compiled = Compiled(
            *(plan, tuple(self.tasks), self.options.defaults, callbacks),
            parameters=self.workflow.parameters,
            result=self.workflow.result,
        )
        return compiled._replace(children=self._children(compiled)) if self.calls else compiled

    def _places(self) -> Iterator[str]:
        """Where each task was made. Those of one line, one after the other, are one text."""
        file = line = where = None
        for task in self.tasks:
            if where is None or task.line != line or task.file != file:
                file, line, where = task.file, task.line, task.where
            yield where

    def _children(self, compiled: Compiled) -> dict[str, Compiled]:
        """The workflows that tasks run, compiled as far as they are known; and whether that comes to an end."""
        children: dict[str, Compiled] = {}
        around = self.nesting.within(self.workflow)
        for row in self.calls:
            try:
                inner = around.enter(compiled, row)
                if inner is not None and inner.key not in inner.known:
                    inner.known[inner.key] = _Compiler(inner.workflow, self.identify, inner).compile()
                if inner is not None:
                    check_result(inner.workflow, self.tasks[row])
                    children[self.tasks[row].name] = inner.known[inner.key]
            except InvalidWorkflowError as error:
                self.problems += [problem for problem in error.problems if problem not in self.problems]
            except DefinitionError as error:
                self.problems.append(error)
        self._raise_problems()
        return children

    def _check_workflow(self) -> None:
        """What is wrong with the workflow itself."""
        flow, where = self.workflow, self.workflow.where
        if not isinstance(flow.name, str) or not flow.name:
            self._problem(OptionError, f"a workflow's name is a text, not {flow.name!r}", where)
        if not all(isinstance(tag, str) for tag in flow.tags):
            self._problem(OptionError, f"tags={flow.tags!r} are not texts", where)

    # --- Tasks

    def _row(self, number: int, task: Task) -> _Row:
        if task.expand is not None and isinstance(task, GroupExpansion):
            over, text = self._expansion(number, task)
            inputs = self.lookup.rows(task, over.tasks)
            return _Row(inputs, inputs, TaskPolicy(), "", "", f"(){text}")
        wiring, text = None, "()"
        if not isinstance(task.args, (tuple, list)) or not isinstance(task.kwargs, (NoneType, Mapping)):
            message = f"task '{task.name}': args are {shown(task.args)} and kwargs {shown(task.kwargs)}; "
            self._problem(ArgumentsError, f"{message}give a list of values and a dict of names to values", task.where)
        elif task.args or task.kwargs:
            wiring = Wiring()
            try:
                text = wiring.text(task.args, task.kwargs)
            except RecursionError:
                self._problem(ArgumentsError, f"the arguments of task '{task.name}' contain themselves", task.where)
            if not wiring.plain:
                self._check_wiring(task, wiring)
        inputs = self.lookup.rows(task, wiring.tasks) if wiring is not None else ()
        policy = self.options.policy(task)
        if isinstance(task.func, WorkflowCall):
            self.calls.append(number)
            policy = replace(policy, workflow=task.func.workflow.name)
            if policy.at_most_once:
                message = f"task '{task.name}' runs a workflow and has at_most_once=True: give that to the tasks in it"
                self._problem(OptionError, message, task.where)
        if task.expand is not None:
            over, more = self._expansion(number, task)
            self.maps.check_kind(task, policy, options_of(task, self.options.defaults).get("map_name"))
            inputs = tuple(sorted({*inputs, *self.lookup.rows(task, over.tasks)}))
            text += more
        function, digest = self._function(task)
        upstreams = inputs
        if task.dependencies:
            upstreams = self.lookup.rows(task, self.lookup.dependencies(task))
            if self.lookup.groups_found:
                self.waiting[number] = self.lookup.groups_found
            if inputs:
                upstreams = tuple(sorted({*inputs, *upstreams}))
        return _Row(upstreams, inputs, policy, function, digest, text)

    def _expansion(self, number: int, task: Task) -> tuple[Wiring, str]:
        """What a task or group is mapped over."""
        wiring, text = Wiring(), ""
        assert task.expand is not None
        self.widths[number] = ()
        if self.maps.check(task, task.expand):
            try:
                text = wiring.expansion(task.expand)
            except RecursionError:
                self._problem(ArgumentsError, f"the arguments of task '{task.name}' contain themselves", task.where)
            self._check_wiring(task, wiring)
            self.widths[number] = self.lookup.known(wiring.widths)
            if isinstance(task, GroupExpansion):
                self.sources[id(task.expands)] = wiring
        return wiring, text

    def _check_wiring(self, task: Task, wiring: Wiring) -> None:
        for argument in wiring.arguments:
            group = group_of(argument)
            if id(group) not in self.lookup.group_numbers:
                self.lookup.rows(task, [group])  # which tells of it
            source = self.sources.get(id(group), Wiring())
            wiring.tasks += [self.tasks[row] for row in self.lookup.known(source.tasks)]  # it is told of others already
            if any(argument is other for other in wiring.mapped_over):
                wiring.widths += source.widths
        for name in wiring.parameters:
            if name not in self.workflow.parameters:
                message = f"task '{task.name}' takes parameter '{name}', which its workflow does not have"
                self._problem(ParameterError, message, task.where)
        for place in wiring.stray:
            message = f"task '{task.name}' takes a value from within {place}, where none is filled in"
            self._problem(ArgumentsError, f"{message}; pass it in a list, a tuple or as a dict's value", task.where)
        for name in wiring.misplaced:
            message = f"task '{task.name}' takes {name} as a value, and it can only be mapped over"
            self._problem(ArgumentsError, f"{message}: f.expand(x=...), or make a list of it in a task", task.where)
        for partial in wiring.partials:
            self._tell_of_partial(partial)

    def _tell_of_partial(self, partial: Partial) -> None:
        """That nothing was made of a function with some of its arguments, once."""
        if partial not in self.told:
            self.told.append(partial)
            message = f"'{partial.title}' was given partial arguments and never mapped: call .expand(...) on it"
            self._problem(ArgumentsError, message, partial.where)

    def _function(self, task: Task) -> tuple[str, str]:
        if not task.kwargs and task.expand is None and surely_fits(task.func, task.args):
            return self.identify(task.func)
        if isinstance(task.func, Placeholder) or not callable(task.func):
            message = f"task '{task.name}' was given {shown(task.func)}, which cannot be called; give it a function"
            if isinstance(task.func, Placeholder):
                message = f"task '{task.name}' was given the output of a task as its function; pass the function itself"
            self._problem(NotCallableError, message, task.where)
            return "", ""
        if isinstance(task.args, (tuple, list)) and isinstance(task.kwargs, (dict, NoneType)):
            if isinstance(task.func, WorkflowCall):
                self.problems += check_parameters(task, task.func, self.workflow.parameters)
            if task.expand is not None:
                self.maps.check_call(task, task.expand)
            if task.expand is not None or isinstance(task.func, WorkflowCall):
                return self.identify(task.func)
            # What the call of an approval leaves open, a person is asked for.
            reason = misfit(task.func, task.args, task.kwargs, partly=task.options.get("approval") is True)
            if reason is not None:
                self._problem(ArgumentsError, f"the arguments of task '{task.name}' do not fit {reason}", task.where)
        return self.identify(task.func)

    # --- The graph

    def _facts(self, rows: Sequence[_Row]) -> Facts:
        """What is known of the tasks once edges to and from groups are edges between tasks."""
        policies = [row.policy for row in rows]
        upstreams = [row.upstreams for row in rows]
        if self.workflow.blocks:
            upstreams = self.groups.resolve(upstreams, self.waiting, policies)
        return Facts(
            upstreams=upstreams,
            inputs=[row.inputs for row in rows],
            policies=policies,
            far_reaching=frozenset(self._far_reaching(policies)),
            widths=self.widths,
            expansions={row: tuple(self.groups.members[group]) for group, row in self.groups.expansions.items()},
        )

    def _far_reaching(self, policies: Sequence[TaskPolicy]) -> Iterator[int]:
        """The short circuits that skip all that is below them."""
        for row, policy in enumerate(policies):
            if policy.decides == "short_circuit":
                options = options_of(self.tasks[row], self.options.defaults)
                if options.get("ignore_downstream_trigger_rules", True) is True:
                    yield row

    def _check_teardowns(self, facts: Facts) -> None:
        for teardown, setups in find_setups(facts.upstreams, facts.policies).items():
            if not setups:
                task = self.tasks[teardown]
                message = f"teardown '{task.name}' has no setup among its direct upstreams: "
                message += "give it one with .as_teardown(setups=...), or put a setup before it"
                self._problem(DefinitionError, message, task.where)

    def _find_cycles(self, above: Sequence[Sequence[int]]) -> None:
        if len(topological_order(above)) == len(above):
            return
        for cycle in cycles(above):
            self.problems.append(CycleError([self.tasks[n].name for n in cycle], where=self.tasks[cycle[0]].where))

    def _map_kind(self, row: int) -> MapKind:
        return "group" if isinstance(self.tasks[row], GroupExpansion) else "task"

    # --- Problems

    def _problem(self, kind: type[DefinitionError], message: str, where: str) -> None:
        self.problems.append(kind(message, where=where))

    def _raise_problems(self) -> None:
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            raise InvalidWorkflowError(self.workflow.name, self.problems)


class _Row(NamedTuple):
    upstreams: tuple[int, ...]
    inputs: tuple[int, ...]
    policy: TaskPolicy
    function: str
    digest: str
    wiring: str
