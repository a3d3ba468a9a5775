"""Stand-ins for values that exist only while a run goes on: a workflow's parameters and the outputs of its tasks.

They can be passed to tasks and put in order. Whatever would need the value itself is refused with an error that
teaches.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from penstock.errors import PlaceholderError

if TYPE_CHECKING:
    from penstock.definition.task import Task

T = TypeVar("T")
U = TypeVar("U")


def caller() -> str:
    """ "file:line" of the nearest caller that is not one of these definitions."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("penstock.definition."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def name_of(placeholder: Placeholder) -> str:
    """The parameter or task that a placeholder stands for. Not an attribute of it, since the value may have one."""
    return placeholder._name


def task_of(output: Output) -> Task:
    """The task whose value an output stands for."""
    return output._task


class _NoFill:
    """What `zip` is given where no fillvalue is."""

    def __repr__(self) -> str:
        return "nothing"

    def __reduce__(self) -> str:
        return "NO_FILL"  # itself again in another process


NO_FILL = _NoFill()

_DECIDE = "let a @task.branch or @task.run_if decide"


class Placeholder:
    """The base of what stands for a value. Not made by users."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def _advice(self, instead: str = "") -> str:
        return f"pass it to a task, or {instead}" if instead else "pass it to a task"

    def _refuse(self, use: str, instead: str = "") -> NoReturn:
        advice = self._advice(instead)
        raise PlaceholderError(
            f"'{self._name}' has no value while the graph is built, so {use}: {advice}", where=caller()
        )

    def __bool__(self) -> NoReturn:  # noqa: PLE0304
        self._refuse("it is neither true nor false", _DECIDE)

    def __iter__(self) -> NoReturn:
        self._refuse("it cannot be iterated", "map a task over it with .expand(...)")

    def __len__(self) -> NoReturn:  # noqa: PLE0303
        self._refuse("it has no length", "map a task over it with .expand(...)")

    def __contains__(self, item: object) -> NoReturn:
        self._refuse("it cannot be searched", _DECIDE)

    def __getitem__(self, key: object) -> NoReturn:
        self._refuse("it has no items")

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse("it cannot be called")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # probes of copy, pickle, inspect and the like
            raise AttributeError(name)
        self._refuse(f"it has no attribute '{name}'")

    def __str__(self) -> NoReturn:  # noqa: PLE0307
        self._refuse("it cannot be made a text")

    def __format__(self, spec: str) -> NoReturn:
        self._refuse("it cannot be formatted")

    def __int__(self) -> NoReturn:
        self._refuse("it cannot be made a number")

    __float__ = __index__ = __int__

    def _compare(self, other: object) -> NoReturn:
        self._refuse("it cannot be compared", _DECIDE)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compare
    __hash__ = object.__hash__

    def _compute(self, *others: object) -> NoReturn:
        self._refuse("it cannot be computed with")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _compute
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _compute
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __neg__ = __pos__ = __abs__ = __invert__ = _compute
    __divmod__ = __rdivmod__ = __round__ = __trunc__ = __floor__ = __ceil__ = __complex__ = __bytes__ = _compute
    __enter__ = __exit__ = __await__ = __next__ = __setitem__ = __delitem__ = __fspath__ = _compute


class ParameterPlaceholder(Placeholder):
    """Stands for a parameter of the workflow."""

    __slots__ = ()

    def _advice(self, instead: str = "") -> str:
        return f"pass it to a task, {instead}{', ' if instead else ''}or name it in @workflow(build=[...])"

    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = Placeholder._compute

    def __repr__(self) -> str:
        return f"<parameter '{self._name}'>"


class Many(Generic[T]):
    """What can be done with that which stands for many values, besides mapping over it."""

    __slots__ = ()

    def map(self, func: Callable[[T], U], /) -> Items[U]:
        """Each of them as `func` gives it back; where it raises Skip, the instance is skipped."""
        from penstock.definition.items import MappedItems

        return MappedItems(self, func)

    def zip(self, *others: Any, fillvalue: Any = NO_FILL) -> Items[tuple[Any, ...]]:
        """Tuples of the first of each, the second of each, and so on: as many as the shortest has, or with a
        `fillvalue` the longest."""
        from penstock.definition.items import ZippedItems

        return ZippedItems((self, *others), fillvalue)

    def concat(self, *others: Any) -> Items[Any]:
        """These, and then those of the others."""
        from penstock.definition.items import JoinedItems

        return JoinedItems((self, *others))


class Items(Placeholder, Many[T]):
    """The base of what may stand for many values, and can be mapped over: `f.expand(x=these)`. Not made by users."""

    __slots__ = ()


class Output(Items[Any]):
    """Stands for what a task returns. Passing it to another task makes an edge that carries the value."""

    __slots__ = ("_task",)

    def __init__(self, task: Task) -> None:
        super().__init__(task.name)
        self._task = task

    def as_setup(self) -> Output:
        """Make the task a setup. The output itself."""
        self._task.as_setup()
        return self

    def as_teardown(self, *, setups: Any = (), on_failure_fail_run: bool = False) -> Output:
        """Make the task the teardown of `setups`, which become setups and come first. The output itself."""
        self._task.as_teardown(setups=setups, on_failure_fail_run=on_failure_fail_run)
        return self

    def __enter__(self) -> Output:  # type: ignore[override]
        """`with teardown():` the tasks made in this block run after its setups and before it."""
        self._task.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:  # type: ignore[override]
        self._task.__exit__(*exc)

    def __repr__(self) -> str:
        return f"<output of '{self._name}'>"

    def __rshift__(self, other: Any) -> Any:
        """`a >> b`: b runs after a."""
        self._task >> other
        return other

    def __lshift__(self, other: Any) -> Any:
        """`a << b`: a runs after b."""
        self._task << other
        return other

    def __rrshift__(self, other: Iterable[Any]) -> Output:
        """`[a, b] >> c`."""
        other >> self._task
        return self

    def __rlshift__(self, other: Iterable[Any]) -> Output:
        """`[a, b] << c`."""
        other << self._task
        return self
