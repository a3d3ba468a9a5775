"""A workflow around a chosen situation: a task `x` with a given decision and guard, whose parents end as given."""

from __future__ import annotations

from tests.law.bodies import BAD, GOOD, IDLE, Temper
from tests.law.cells import BROKEN, CHOSE, NO_GUARD, NOBODY, OPEN, REFUSED, SHUT, SILENT, Cell
from tests.law.draft import Draft

SUCCEEDS, FAILS, SKIPS = Temper(GOOD, width=2), Temper(BAD), Temper(IDLE)
ENDINGS = {"S": SUCCEEDS, "F": FAILS, "K": SKIPS}


def add_situation(draft: Draft, cell: Cell) -> None:
    """Add tasks among which one is in this situation."""
    grouped = draft.random.random() < 0.2
    if grouped:
        draft.open("around", retries=draft.random.choice((0, 1, 1)))
    if cell.rule == "all_done_setup_success":
        _Teardown(draft, cell).add()
    elif cell.parents:
        _WithParents(draft, cell).add()
    else:
        _WithoutParents(draft, cell).add()
    if grouped:
        draft.close()


class _Situation:
    def __init__(self, draft: Draft, cell: Cell) -> None:
        self.draft = draft
        self.cell = cell
        self.random = draft.random

    def some_failed(self) -> str:
        """A task that failed."""
        return self.draft.add(f"bad{len(self.draft.tasks)}", FAILS)

    def decider(self, true: bool | None, far: bool = True, **options: object) -> str:
        """A short circuit with this answer; None: one that gives none."""
        temper = SKIPS if true is None else Temper(GOOD, None if true else ())
        if true is None and self.random.random() < 0.4:
            temper = FAILS
        return self.draft.add("decider", temper, decides="short_circuit", far=far, **options)

    def open_map(self, after: tuple[str, ...] = (), *, passable: bool = False) -> None:
        """Begin a mapped group whose expansion ends as the guard is to; `passable`: as it does by itself."""
        guard = OPEN if passable else self.cell.guard
        ways = {
            OPEN: [self._over_list, self._over_output],
            SHUT: [self._over_nothing, self._over_skipped],
            BROKEN: [self._after_failed, self._over_no_list],
        }[guard]
        self.random.choice(ways[:1] if after else ways)(after)

    def _over_list(self, after: tuple[str, ...]) -> None:
        self.draft.open("m", over=(self.random.randint(1, 3),), after=after)

    def _over_output(self, after: tuple[str, ...]) -> None:
        source = self.draft.add("source", SUCCEEDS)
        self.draft.open("m", over=(source, self.random.randint(1, 2)), after=after)

    def _over_nothing(self, after: tuple[str, ...]) -> None:
        self.draft.open("m", over=(self.random.choice((0, 2)), 0), after=after)

    def _over_skipped(self, after: tuple[str, ...]) -> None:
        self.draft.open("m", over=(self.draft.add("source", SKIPS),), after=after)

    def _after_failed(self, after: tuple[str, ...]) -> None:
        self.draft.open("m", over=(2,), after=(self.some_failed(), *after))

    def _over_no_list(self, after: tuple[str, ...]) -> None:
        self.draft.open("m", over=(self.draft.add("source", Temper(GOOD, width=-1)),), after=after)


class _Teardown(_Situation):
    def add(self) -> None:
        """Setups that end so, and their teardown."""
        setups = []
        to_map = self.random.choice(self.cell.parents) if self.cell.mapped else ""
        for letter in self.cell.parents:
            over = (2,) if letter == to_map else None
            before = (self.some_failed(),) if letter == "U" else ()
            setups.append(self.draft.add(f"setup_{letter}", ENDINGS.get(letter), setup=True, over=over, after=before))
        self.draft.settled_setups.update(setups)
        guarded = self.cell.guard != NO_GUARD
        if guarded:
            self.open_map()
        self.draft.add("x", after=setups, teardown=True, retries=self.random.randint(0, 1))
        if guarded:
            self.draft.close()


class _WithoutParents(_Situation):
    def add(self) -> None:
        """A task without parents: if anything is above it, then by way of the mapped group around it."""
        cell = self.cell
        if cell.guard == NO_GUARD:
            self.draft.add("x", rule=cell.rule)
            return
        after: tuple[str, ...] = ()
        if cell.decider == CHOSE:
            after = (self.decider(True),)
        elif cell.decider == REFUSED:
            after = (self.decider(False),)
        elif cell.decider == SILENT:
            after = (self.draft.add("between", SUCCEEDS, rule="all_done", after=(self.decider(None),)),)
        if cell.decider == REFUSED:
            if cell.guard == BROKEN:
                after += (self._broken_setup(),)
            self.open_map(after, passable=True)
        else:
            self.open_map(after)
        self.draft.add("x", rule=cell.rule)
        self.draft.close()

    def _broken_setup(self) -> str:
        setup = self.draft.add("setup", FAILS, setup=True)
        self.draft.settled_setups.add(setup)
        return setup


class _WithParents(_Situation):
    def __init__(self, draft: Draft, cell: Cell) -> None:
        super().__init__(draft, cell)
        self.by_map = cell.guard != NO_GUARD and self.random.random() < 0.5
        """The guard is the expansion of a mapped group around the task, and not a setup."""
        self.setup = ""
        self.before: list[str] = []
        """What all parents run after, whatever becomes of it."""
        self.parents: list[str] = []
        self.follows: str | None = None
        """The name of the branch that is to follow the task, or not, once the task has a name."""

    def add(self) -> None:
        """A task with parents that ended so."""
        if self.cell.guard != NO_GUARD and not self.by_map:
            self._add_setup()
        left = self._add_decider()
        mapped_one = self.random.choice(self.cell.parents) if self.cell.mapped else ""
        for letter in self.cell.parents:
            if letter == mapped_one or letter not in left:
                self._add_parent(letter, mapped=letter == mapped_one, number=int(letter in left))
        if self.by_map:
            self.open_map()
        self._add_task()
        if self.by_map:
            self.draft.close()

    def _add_setup(self) -> None:
        after: tuple[str, ...] = ()
        if self.cell.guard == BROKEN:
            temper = FAILS
            if self.random.random() < 0.4:
                after, temper = (self.some_failed(),), SUCCEEDS
        else:
            temper = SUCCEEDS if self.cell.guard == OPEN else SKIPS
        self.setup = self.draft.add("setup", temper, setup=True, after=after)
        self.draft.settled_setups.add(self.setup)
        self.before.append(self.setup)

    def _add_decider(self) -> str:
        """Add the decider, if there is any; the letters of the parents that are thereby made."""
        kind, parents = self.cell.decider, self.cell.parents
        if kind == NOBODY:
            return ""
        if kind == SILENT:
            self.before.append(self.decider(None))
            return ""
        chose = kind == CHOSE
        if "S" in parents and self.random.random() < 0.7:
            self._add_direct_decider(chose)
            return "S"
        if chose:
            self.before.append(self.decider(True))
            return ""
        if "K" in parents:
            after = [self.decider(False), *self.before]
            rule = self.random.choice(("all_done", "always"))
            self.parents.append(self.draft.add("refused", SUCCEEDS, rule=rule, after=after))
            return "K"
        if "S" in parents:
            self._add_direct_decider(chose)
            return "S"
        return self._add_teardown_between()

    def _add_direct_decider(self, chose: bool) -> None:
        """One of the parents itself decides."""
        if self.random.random() < 0.5:
            self.follows = self.draft.add("branch", SUCCEEDS, rule="all_done", after=self.before, decides="branch")
            self.parents.append(self.follows)
        else:
            far = self.random.random() < 0.5
            self.parents.append(self.decider(chose, far, rule="all_done", after=self.before))

    def _add_teardown_between(self) -> str:
        """Below a short circuit that is false everything is skipped but a teardown, and the task is below that."""
        letter = self.random.choice(self.cell.parents)
        own = self.draft.add("own_setup", SUCCEEDS if letter == "F" else FAILS, setup=True)
        self.draft.settled_setups.add(own)
        after = [own, self.decider(False)]
        if self.setup:
            after.append(self.draft.add("between", SUCCEEDS, rule="all_done", after=(self.setup,)))
        self.parents.append(self.draft.add("teardown", FAILS, teardown=True, after=after))
        return letter

    def _add_parent(self, letter: str, *, mapped: bool, number: int) -> None:
        """A task that ends so."""
        name, over = f"p{letter}{number}", (2,) if mapped else None
        after = [*self.before]
        if letter == "U":
            after.append(self.some_failed())
            rule = "all_success"
        else:
            rule = self.random.choice(("all_done", "always"))
        self.parents.append(self.draft.add(name, ENDINGS.get(letter), after=after, over=over, rule=rule))

    def _add_task(self) -> None:
        takes = [parent for parent in self.parents if self.random.random() < 0.2]
        after = [parent for parent in self.parents if parent not in takes]
        over = (self.random.randint(0, 2),) if not self.by_map and self.random.random() < 0.1 else None
        rule = self.cell.rule
        retries = self.random.choice((0, 0, 1))
        task = self.draft.add("x", rule=rule, after=after, takes=takes, over=over, retries=retries)
        if self.follows:
            self.draft.tempers[self.follows] = Temper(GOOD, (task,) if self.cell.decider == CHOSE else ())
        if self.setup and self.random.random() < 0.4:
            self.draft.add("end", after=(self.setup, task), teardown=True)
