"""What a history tells of maps, and whether it can be: the part of `Audit` that follows them."""

from __future__ import annotations

from typing import TypeAlias

from penstock.engine.audit_attempts import AuditAttempts
from penstock.engine.audit_states import EXPANDED, PENDING, SKIPPED, SUCCESS
from penstock.engine.events import ExpansionFailed, GroupRetryDue, MapExpanded

Expansion: TypeAlias = MapExpanded | ExpansionFailed


class AuditMaps(AuditAttempts):
    """Follows the attempts and the maps of one run."""

    def _map_expanded(self, event: MapExpanded) -> None:
        tasks, row, width = self._tasks, event.task, event.width
        if not self._is_awaited(event):
            return
        if width < 0 or (event.names and len(event.names) != width):
            self._say("I10", f"{self._name(row)} has {width} instances, with {len(event.names)} names")
            width = max(width, 0)
        inside = (row,) if tasks.is_mapped_itself(row) else tasks.plan.expanded_by[row]
        if not width:
            tasks.give_up_map(row)
            tasks.put(row, SKIPPED)
            self._tell("skipped", row)
            tasks.settle([row])
        elif row in inside:
            tasks.expand(inside, width)
        else:
            tasks.put(row, SUCCESS)
            tasks.expand(inside, width)
            tasks.settle([row])

    def _expansion_failed(self, event: ExpansionFailed) -> None:
        if self._is_awaited(event):
            self._tasks.give_up_map(event.task)
            self._tasks.last[event.task] += 1
            self._fail(event.task)

    def _group_retry_due(self, event: GroupRetryDue) -> None:
        unit, tasks = (event.group, event.index), self._tasks
        if not 0 <= event.group < len(tasks.plan.groups) or tasks.plan.groups[event.group].policy is None:
            self._say("I10", f"group {event.group} begins anew, and the plan has none that is tried again")
        elif unit in tasks.due:
            tasks.settle([slot for slot in tasks.begin_round(unit) if tasks.decide_if_waiting(slot)])

    def _is_awaited(self, event: Expansion) -> bool:
        """Whether a map waits for this. It comes too late, and is no error, where the map has been ended meanwhile."""
        tasks, row = self._tasks, event.task
        if self._is_unknown(event, row):
            return False
        if row not in tasks.plan.maps:
            self._say("I10", f"{type(event).__name__} speaks of {self._name(row)}, which expands nothing")
            return False
        if tasks.states[row] == EXPANDED:
            self._say("I5", f"{self._name(row)} was expanded twice")
        if tasks.states[row] != PENDING:
            return False
        if not self._driven:
            self._say("I2", f"{self._name(row)} was expanded while nobody drove the run")
        if not tasks.may_start(row):
            self._found += self._too_early(row, "was expanded")
        return True
