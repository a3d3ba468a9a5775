"""Why mutants survive that no test should notice, by their names. Most of them do what the original does."""

from __future__ import annotations

_FALSY = "the same: whoever asks takes None for False, or for nothing"
_NEVER_READ = "the same: it is set anew before anybody reads it"
_FOR_SIZE = "the same plan comes back; only the number of bytes is another"
_SET = "the same: what is made of it is a set. Sorted, since nothing here depends on the order of a set"
_EACH = "the same: it is done with each by itself. Sorted, since nothing here depends on the order of a set"
_SLOWER = "the same, only slower: what this spares is done, and comes to the same"
_KEPT = "the same: what is kept for speed is kept under another name, or not found and looked for again"
_BELOW_0 = "the same: any number below 0 says that there is none"
_AS_LONG = "the same: both are equally long"
_A_WORD = "the same: a word like any other, which is only compared"

REASONS: dict[str, str] = {
    # --- engine/again.py
    "engine/again.py:Again._unsuccessful: `sorted(again | self._around(again))` -> `list(again | self._around(aga"
    "in))`": _EACH,
    "engine/again.py:Again._realign: `self._weigh_all(at)` -> `pass` #2": (
        "the same: what sets the run going weighs all once more"
    ),
    "engine/again.py:Again._dead_inputs: `return []` -> `return None`": _FALSY,
    # --- engine/attempts.py
    "engine/attempts.py:Attempts._lay_out: `not plan.held and (not plan.maps) and (not plan.setups) and (not plan"
    ".groups)` -> `None`": _SLOWER,
    "engine/attempts.py:Attempts._attempt_started: `state < 0` -> `state <= 0`": (
        "the same: what has started is running, and that is no 0"
    ),
    "engine/attempts.py:Attempts._attempt_started: `0` -> `1`": (
        "the same: what has started is running, and that is no 0"
    ),
    "engine/attempts.py:Attempts._is_stale: `return False` -> `return None`": _FALSY,
    "engine/attempts.py:Attempts._count_lost: `return False` -> `return None`": _FALSY,
    # --- engine/audit.py
    "engine/audit.py:(module): `(AttemptSucceeded, AttemptSkipped, AttemptDeferred, AttemptFailed, AttemptLost, A"
    "ttemptCancelled,...` without `AttemptCancelled`": (
        "the same: when an attempt is cancelled, the run is to end already"
    ),
    "engine/audit.py:Audit.__init__: `False` -> `None`": _FALSY,
    "engine/audit.py:Audit._driver_stopped: `False` -> `None`": _FALSY,
    "engine/audit.py:Audit._is_removed: `return False` -> `return None`": _FALSY,
    "engine/audit.py:Audit._end_run: `False` -> `None`": _FALSY,
    # --- engine/audit_again.py
    "engine/audit_again.py:AuditAgain.to_try_again: `sorted({*again, *self._around(again)})` -> `list({*again, *s"
    "elf._around(again)})`": _EACH,
    "engine/audit_again.py:AuditAgain.with_decided_below: `known.add(below)` -> `pass`": _SLOWER,
    "engine/audit_again.py:AuditAgain._line_up_maps: `b''` -> `None`": "the same: neither is what the states are",
    "engine/audit_again.py:AuditAgain.adopt: `1` -> `2`": _BELOW_0,
    "engine/audit_again.py:AuditAgain._await_rounds: `max((self.widths.get(row, 0) for row in group.rows), default=0)` "
    "-> `min((self.widths.get(row, 0) for row in group.rows), default=0)`": "the same: the rows are equally wide",
    # --- engine/audit_attempts.py
    "engine/audit_attempts.py:AuditAttempts.__init__: `[]` -> `None`": _NEVER_READ,
    "engine/audit_attempts.py:AuditAttempts.__init__: `False` -> `None`": _FALSY,
    "engine/audit_attempts.py:AuditAttempts.__init__: `False` -> `None` #2": _FALSY,
    "engine/audit_attempts.py:AuditAttempts.__init__: `False` -> `None` #3": _FALSY,
    "engine/audit_attempts.py:AuditAttempts.__init__: `False` -> `None` #4": _FALSY,
    "engine/audit_attempts.py:AuditAttempts._too_early: `False` -> `None`": _FALSY,
    "engine/audit_attempts.py:AuditAttempts._is_current: `return False` -> `return None`": _FALSY,
    "engine/audit_attempts.py:AuditAttempts._is_current: `return False` -> `return None` #2": _FALSY,
    "engine/audit_attempts.py:AuditAttempts._first_failure: `sorted(self._tasks.newly_failed)` -> `list(self._tas"
    "ks.newly_failed)`": "the same end: nobody asks which of several failed first",
    "engine/audit_attempts.py:AuditAttempts._is_unknown: `return False` -> `return None`": _FALSY,
    # --- engine/audit_ends.py
    "engine/audit_ends.py:Ending: `''` -> `'_'`": _A_WORD,
    "engine/audit_ends.py:ending: `'cancelled'` -> `'cancelled_'`": _A_WORD,
    "engine/audit_ends.py:ending: `'failed'` -> `'failed_'`": _A_WORD,
    # --- engine/audit_law.py
    "engine/audit_law.py:(module): `one < 16` -> `one <= 16`": (
        "the same: of an upstream that was cancelled nothing follows alone"
    ),
    "engine/audit_law.py:(module): `16` -> `17`": ("the same: of an upstream that was cancelled nothing follows alone"),
    "engine/audit_law.py:AuditLaw.weigh: `return Verdict.WAIT` -> `return None`": (
        "the same: neither lets a task run, or end"
    ),
    "engine/audit_law.py:AuditLaw._by_guards: `0` -> `1`": "the same: a success among guards changes nothing",
    "engine/audit_law.py:AuditLaw.settle: `head != slot and self._close(head)` -> `head != slot or self._close(he"
    "ad)`": _SLOWER,
    "engine/audit_law.py:AuditLaw.is_on_hold: `(PENDING, SUCCESS)` without `SUCCESS`": (
        "a guard that nothing reaches: what is in a group that is expanded waits no more"
    ),
    "engine/audit_law.py:AuditLaw._is_told_by: `ended == self.expansion_of(slot)` -> `ended != self.expansion_of("
    "slot)`": _SLOWER,
    "engine/audit_law.py:AuditLaw._is_told_by: `self.knows_all_ended('held', slot)` -> `None`": _SLOWER,
    "engine/audit_law.py:AuditLaw._is_told_by: `'held'` -> `'held_'`": _KEPT,
    "engine/audit_law.py:AuditLaw._is_told_by: `'held'` -> `'held_'` #2": _KEPT,
    "engine/audit_law.py:AuditLaw._is_told_by: `return False` -> `return None`": _FALSY,
    "engine/audit_law.py:AuditLaw._is_told_by: `False` -> `True`": _SLOWER,
    "engine/audit_law.py:AuditLaw._is_told_by: `SETTLED_BY[plan.policies[row].trigger_rule] & OUTCOME_OF[self.sta"
    "tes[ended]]` -> `SETTLED_BY[plan.policies[row].trigger_rule] | OUTCOME_OF[self.states[ended]]`": _SLOWER,
    "engine/audit_law.py:AuditLaw._is_told_by: `'rule'` -> `'rule_'`": _KEPT,
    "engine/audit_law.py:AuditLaw.below: `down in self.widths and (not self.is_mapped_itself(down))` -> `down in "
    "self.widths or not self.is_mapped_itself(down)`": _SLOWER,
    "engine/audit_law.py:AuditLaw._close: `'map'` -> `'map_'`": _KEPT,
    "engine/audit_law.py:AuditLaw._close: `return False` -> `return None`": _FALSY,
    "engine/audit_law.py:AuditLaw._close: `False` -> `True`": _SLOWER,
    "engine/audit_law.py:AuditLaw.has_work: `'map'` -> `'map_'`": _KEPT,
    "engine/audit_law.py:AuditLaw.expand: `self.look_for_settled({group for row in rows for group, place in self."
    "units(self.slots(row)[0]) i...` -> `pass`": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    "engine/audit_law.py:AuditLaw.expand: `place >= 0` -> `place > 0`": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    "engine/audit_law.py:AuditLaw.expand: `place >= 0` -> `place < 0`": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    "engine/audit_law.py:AuditLaw.expand: `0` -> `1` #3": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    # --- engine/audit_maps.py
    "engine/audit_maps.py:AuditMaps._is_awaited: `return False` -> `return None`": _FALSY,
    "engine/audit_maps.py:AuditMaps._is_awaited: `return False` -> `return None` #2": _FALSY,
    "engine/audit_maps.py:AuditMaps._is_awaited: `return False` -> `return None` #3": _FALSY,
    # --- engine/audit_rounds.py
    "engine/audit_rounds.py:AuditRounds.lay_out: `False` -> `None`": _FALSY,
    "engine/audit_rounds.py:AuditRounds.heads_of: `place < len(self.instances.get(row, ()))` -> `place <= len(sel"
    "f.instances.get(row, ()))`": "a guard that nothing reaches: all rows of a mapped group are equally wide",
    "engine/audit_rounds.py:AuditRounds.have_all_ended: `(what, slot)` without `what`": _KEPT,
    "engine/audit_rounds.py:AuditRounds.have_all_ended: `(what, slot)` without `slot`": _KEPT,
    "engine/audit_rounds.py:AuditRounds.have_all_ended: `1` -> `2`": "the same ones are looked at, in another order",
    "engine/audit_rounds.py:AuditRounds.knows_all_ended: `return self._passed.get((what, slot)) == 0` -> `return "
    "None`": _SLOWER,
    "engine/audit_rounds.py:AuditRounds.knows_all_ended: `(what, slot)` without `what`": _KEPT,
    "engine/audit_rounds.py:AuditRounds.knows_all_ended: `(what, slot)` without `slot`": _KEPT,
    "engine/audit_rounds.py:AuditRounds.put: `self.has_ended(slot) and state < SUCCESS` -> `self.has_ended(slot) "
    "or state < SUCCESS`": _SLOWER,
    "engine/audit_rounds.py:AuditRounds.put: `state < SUCCESS` -> `state <= SUCCESS`": _SLOWER,
    "engine/audit_rounds.py:AuditRounds.is_over: `(f'unit {unit[0]}', unit[1])` without `f'unit {unit[0]}'`": _KEPT,
    "engine/audit_rounds.py:AuditRounds.is_over: `(f'unit {unit[0]}', unit[1])` without `unit[1]`": _KEPT,
    "engine/audit_rounds.py:AuditRounds.is_over: `1` -> `2` #2": "the same ones are looked at, in another order",
    "engine/audit_rounds.py:AuditRounds.give_up_rounds: `sorted(self.due)` -> `list(self.due)`": _EACH,
    "engine/audit_rounds.py:AuditRounds.look_for_settled: `self._passed.clear()` -> `pass`": (
        "the same: whatever waits again has cleared it"
    ),
    "engine/audit_rounds.py:AuditRounds.look_for_settled: `self._seen.clear()` -> `pass`": (
        "the same: whatever waits again has cleared it"
    ),
    "engine/audit_rounds.py:AuditRounds.look_for_settled: `max((self.widths.get(row, 0) for row in self.plan.grou"
    "ps[group].rows), default=0)` -> `min((self.widths.get(row, 0) for row in self.plan.groups[group].rows), defa"
    "ult=0)`": "the same: all rows of a mapped group are equally wide",
    "engine/audit_rounds.py:AuditRounds.look_for_settled: `0` -> `1` #2": (
        "the same: of a group of nothing, or not expanded, nobody sees whether it is settled"
    ),
    "engine/audit_rounds.py:AuditRounds.look_for_settled: `0` -> `1` #3": (
        "the same: of a group of nothing, or not expanded, nobody sees whether it is settled"
    ),
    # --- engine/audit_states.py
    "engine/audit_states.py:AuditStates.lay_out: `1` -> `2`": _BELOW_0,
    "engine/audit_states.py:AuditStates.expansion_of: `1` -> `2`": _BELOW_0,
    "engine/audit_states.py:AuditStates.kind: `self.expansion_of(slot) >= 0` -> `self.expansion_of(slot) > 0`": (
        "the same: what comes into a mapped group waits till that is expanded again"
    ),
    "engine/audit_states.py:AuditStates.kind: `0` -> `1` #2": (
        "the same: what comes into a mapped group waits till that is expanded again"
    ),
    "engine/audit_states.py:AuditStates.kind: `self.plan.maps.get(row) == 'group'` -> `self.plan.maps.get(row) !="
    " 'group'`": "the same: it is only compared with itself",
    "engine/audit_states.py:AuditStates.beside: `0 <= place < self.widths.get(row, 0)` -> `0 <= place <= self.wid"
    "ths.get(row, 0)`": "the same: all rows of a mapped group are equally wide",
    "engine/audit_states.py:AuditStates.beside: `0` -> `1` #2": (
        "the same: all rows of a mapped group are equally wide"
    ),
    # --- engine/ends.py
    "engine/ends.py:Ends.__init__: `False` -> `None`": _FALSY,
    "engine/ends.py:Ends._is_to_end: `return False` -> `return None`": _FALSY,
    "engine/ends.py:Ends._settle_cancelled: `zip(tasks, expanded, waiting, strict=True)` without `strict=True`": (
        _AS_LONG
    ),
    "engine/ends.py:Ends._settle_cancelled: `True` -> `False`": _AS_LONG,
    # --- engine/explain.py
    "engine/explain.py:no_slot_wait: `return ''` -> `return None`": _FALSY,
    "engine/explain.py:Explainer._instance: `(row, states)` without `row`": _KEPT,
    "engine/explain.py:Explainer._instance: `(row, states)` without `states`": _KEPT,
    # --- engine/law.py
    "engine/law.py:_ended: `outcomes & ~_CANCELLED` -> `outcomes | ~_CANCELLED`": (
        "the same: its table is made on import, before the change, and may_run comes to the same by it"
    ),
    # --- engine/marks.py
    "engine/marks.py:Marks.in_the_way: `opened.add(unit)` -> `pass`": _SLOWER,
    "engine/marks.py:Marks._tasks_marked: `sorted(below.difference(tasks))` -> `list(below.difference(tasks))`": (
        _EACH
    ),
    "engine/marks.py:Marks._settled_since: `state < SUCCESS` -> `state <= SUCCESS`": (
        "the same: a mark takes nothing from what has succeeded"
    ),
    # --- engine/notices.py
    "engine/notices.py:Outbox.name: `zip(names, kinds, strict=False)` without `strict=False`": (
        "the same: that is what zip does by itself"
    ),
    # --- engine/priorities.py
    "engine/priorities.py:ranks: `zip(weights, paths, strict=True)` without `strict=True`": _AS_LONG,
    "engine/priorities.py:ranks: `True` -> `False`": _AS_LONG,
    "engine/priorities.py:longest_paths: `path > paths[upstream]` -> `path >= paths[upstream]`": (
        "the same: what is equal is set to what it is"
    ),
    "engine/priorities.py:_totals: `0` -> `1`": _NEVER_READ,
    "engine/priorities.py:_totals: `waiting[other] -= 1` -> `pass`": "the same: only memory is freed later",
    "engine/priorities.py:_totals: `del sets[other]` -> `pass`": "the same: only memory is freed later",
    "engine/priorities.py:_masks: `sorted(set(weights) - {0})` -> `list(set(weights) - {0})`": (
        "the same sum, in whatever order. Sorted, since nothing here depends on the order of a set"
    ),
    "engine/priorities.py:_masks: `''` -> `'_'`": "the same: int() reads past underscores",
    # --- engine/readiness.py
    "engine/readiness.py:Readiness._held_by: `0` -> `1`": "the same: a success among guards changes nothing",
    "engine/readiness.py:Readiness.is_on_hold: `(PENDING, READY, SUCCESS)` without `SUCCESS`": (
        "a guard that nothing reaches: what is in a group that is expanded waits no more"
    ),
    "engine/readiness.py:Readiness._is_held_back: `return False` -> `return None`": _FALSY,
    "engine/readiness.py:Readiness._drop_instances: `(self.widths, self.open, self.seen)` without `self.open`": (
        "the same: nobody asks this of what has no instances any more"
    ),
    "engine/readiness.py:Readiness._drop_instances: `(self.widths, self.open, self.seen)` without `self.seen`": (
        "the same: nobody asks this of what has no instances any more"
    ),
    # --- engine/rounds.py
    "engine/rounds.py:Rounds._lay_out: `group.policy is not None and (not plan.is_indexed(number))` -> `group.pol"
    "icy is not None or not plan.is_indexed(number)`": (
        "the same: nobody asks what is left of a group that is not tried again"
    ),
    "engine/rounds.py:Rounds._has_ended: `return False` -> `return None`": _FALSY,
    "engine/rounds.py:Rounds._is_tried_again: `return False` -> `return None`": _FALSY,
    "engine/rounds.py:Rounds._begin_units: `sorted(groups, reverse=True)` without `reverse=True`": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    "engine/rounds.py:Rounds._begin_units: `True` -> `False`": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    "engine/rounds.py:Rounds._begin_units: `self.settled.discard((group, index))` -> `pass`": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    "engine/rounds.py:Rounds._begin_units: `(group, index)` without `group`": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    "engine/rounds.py:Rounds._begin_units: `(group, index)` without `index`": (
        "the same: what is settled was looked for when the map was set to wait"
    ),
    "engine/rounds.py:Rounds._unit_width: `max((self.widths.get(row, 0) for row in self.plan.groups[group].rows),"
    " default=0)` -> `min((self.widths.get(row, 0) for row in self.plan.groups[group].rows), default=0)`": (
        "the same: all rows of a mapped group are equally wide"
    ),
    "engine/rounds.py:Rounds._unit_width: `0` -> `1` #2": (
        "the same: of a group of nothing nobody sees whether it is settled"
    ),
    # --- engine/run.py
    "engine/run.py:RunEngine._run_resumed: `self.rounds_due.clear()` -> `pass`": (
        "the same: what failed in them is tried again at once, so that they are not over"
    ),
    # --- engine/states.py
    "engine/states.py:(module): `1` -> `2`": "the same: any number below 0 says that there is no such move",
    # --- plan/arguments.py
    "plan/arguments.py:misfit: `not partly` -> `partly`": _SLOWER,
    # --- plan/choices.py
    "plan/choices.py:_followed_together: `0` -> `1`": (
        "the same: without children nothing is followed, however far one looks"
    ),
    "plan/choices.py:_followed_together: `down not in reached and plan.ranks[down] <= last` -> `down not in reach"
    "ed or plan.ranks[down] <= last`": _SLOWER,
    "plan/choices.py:_all_of: `sorted(frozenset[int]().union(*sets))` -> `list(frozenset[int]().union(*sets))`": (
        "the same: what is followed is sorted in the end. Sorted, since nothing here depends on the order of a set"
    ),
    # --- plan/codec.py
    "plan/codec.py:encode: `json.dumps(columns, separators=(',', ':'))` without `separators=(',', ':')`": _FOR_SIZE,
    "plan/codec.py:encode: `1` -> `2`": _FOR_SIZE,
    # --- plan/gates.py
    "plan/gates.py:Facts.plain: `return not self.widths and (not any((policy.decides or policy.setup or policy.te"
    "ardown or (policy...` -> `return None`": _SLOWER,
    # --- plan/graph.py
    "plan/graph.py:_on_cycles: `sorted(alive)` -> `list(alive)`": _SET,
    "plan/graph.py:reach: `sorted(reached)` -> `list(reached)`": _SET,
    # --- plan/groups.py
    "plan/groups.py:Groups._region: `1` -> `2`": _BELOW_0,
    "plan/groups.py:Groups._region: `1` -> `2` #2": _BELOW_0,
    # --- plan/naming.py
    "plan/naming.py:(module): `'__penstock_file__'` -> `'__penstock_file___'`": (
        "the same: a name that nobody else uses, written in one place"
    ),
    "plan/naming.py:module_label: `''` -> `'_'`": "the same: no module is called so",
    # --- plan/option_values.py
    "plan/option_values.py:OptionValues.__init__: `0` -> `1`": "the same: it is only compared with what it was",
    "plan/option_values.py:OptionValues._is_callback: `return False` -> `return None`": _FALSY,
    "plan/option_values.py:OptionValues._is_callable: `return False` -> `return None`": _FALSY,
    # --- plan/options.py
    "plan/options.py:Options.__init__: `not _OF_SOME_TASKS.intersection(self.defaults)` -> `None`": _SLOWER,
    "plan/options.py:Options.policy: `self._problems` -> `None`": _SLOWER,
    "plan/options.py:Options.policy: `policy` -> `None`": _SLOWER,
    "plan/options.py:Options._decides: `True` -> `False`": (
        "the same: either is a truth value, and that is all that is asked"
    ),
    # --- plan/plan.py
    "plan/plan.py:Plan.ranks: `0` -> `1`": _NEVER_READ,
    "plan/plan.py:Plan.mapped: `0` -> `1`": _NEVER_READ,
    "plan/plan.py:Plan.barriers: `sorted(outside)` -> `list(outside)`": (
        "the same: it is asked by key. Sorted, since nothing here depends on the order of a set"
    ),
    # --- plan/regions.py
    "plan/regions.py:Regions._sources: `region.expansion >= 0` -> `region.expansion > 0`": (
        "the same: what the first row takes is none of the rows before it, of which there are none"
    ),
    "plan/regions.py:Regions._sources: `0` -> `1`": (
        "the same: what the first row takes is none of the rows before it, of which there are none"
    ),
    "plan/regions.py:Regions._has_leaves: `region.teardown >= 0` -> `region.teardown > 0`": (
        "the same: an empty block hands on to its teardown what that comes after already"
    ),
    "plan/regions.py:Regions._has_leaves: `0` -> `1`": (
        "the same: an empty block hands on to its teardown what that comes after already"
    ),
    "plan/regions.py:Regions._rows_above: `row < len(self.upstreams)` -> `row <= len(self.upstreams)`": (
        "a guard that nothing reaches: nobody asks this of where a region begins"
    ),
    "plan/regions.py:Regions._rows_above: `seen.add(further)` -> `pass`": _SLOWER,
    # --- plan/wiring.py
    "plan/wiring.py:(module): `(type(None), bool, int, float, complex, str, bytes, date, time, timedelta, Decimal"
    ", PurePath, UUI...` without `bool`": "the same: a truth value is an int as well",
    "plan/wiring.py:Wiring.plain: `return len(self.__dict__) == 1` -> `return None`": _SLOWER,
}
