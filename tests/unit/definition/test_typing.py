"""What a type checker makes of workflows: right ones check, wrong ones do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[3]

HEADER = """\
from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from penstock import Notice, RetryRule, Run, Skip, SubWorkflow, Task, TaskGroup, TriggerRule, Workflow, WorkflowManager
from penstock import chain, setup, task, task_group, teardown, workflow


@task(retries=3, retry_delay=30)
def extract(day: date) -> Path:
    return Path(day.isoformat())


@task
def transform(path: Path) -> list[int]:
    return [1]


@task
def load(rows: list[int]) -> int:
    return len(rows)


@task
def sizes() -> dict[str, int]:
    return {"a": 1}


@task
def anything() -> Any: ...


@task
def both() -> tuple[int, str]:
    return 1, "a"


def double(number: int) -> float:
    return number * 2.0


@task(timeout=5)
async def notify(count: int) -> None: ...


@task.branch
def choose(path: Path) -> Literal["left", "right"]:
    return "left"


"""

RIGHT = """\
@workflow
def flights(day: date = date(2013, 1, 1)) -> None:
    load(transform(extract(day)))
    load.named("again")(transform.options(retries=1, name="t")(extract.named("x")(day)))
    a, b = Task("a", print), Task("b", print, dependencies=["a"])
    chain(a, [b, "c"], load)
    a >> b >> [a, b]


def tell(notice: Notice) -> str:
    about = notice.task or notice.workflow
    return f"{notice.kind} {about.upper()} {notice.error.message if notice.error is not None else ''}"


@task(at_most_once=True, commit_first=True, on_success=tell, on_failure=lambda notice: print(notice.id), on_retry=None)
def pay(amount: int) -> None: ...


@workflow(on_success=tell, on_failure=print, on_cancel=None, defaults={"on_failure": tell})
def paying() -> None:
    pay.options(on_failure=None, at_most_once=False, retries=1)(1)
    Workflow("other", on_success=tell, on_failure=tell, on_cancel=tell)
    Task("plain", print, on_success=tell)


@workflow(build=["months"], timeout=60, defaults={"retries": 2})
def by_month(months: int = 12) -> None:
    for month in range(months):
        extract.options(after="a")(date(2013, month + 1, 1))


@task.branch(retries=2, name="later")
async def choose_later() -> list[str] | None:
    return None


@task.short_circuit(ignore_downstream_trigger_rules=False, trigger_rule="none_failed")
def is_open(day: date) -> bool:
    return True


@task.run_if(lambda: True)
@task.skip_if(lambda current: False)
@task(retry_policy=[RetryRule(ValueError, retry=False), RetryRule((OSError, KeyError), delay=timedelta(seconds=1))])
def careful(rows: list[int]) -> int:
    raise Skip("nothing to do")


@setup
def make_cluster(size: int) -> str:
    return "name"


@teardown(on_failure_fail_run=True)
def delete_cluster(name: str) -> None: ...


@task_group
def etl(path: Path, scale: int = 1) -> int:
    return load(transform(path))


@task_group(name="all", retries=2, retry_delay=timedelta(minutes=1), defaults={"trigger_rule": "all_done"})
def everything() -> None:
    etl(Path("x"), scale=2)


@workflow(fail_fast=True, run_state="leaves")
def controlled(day: date = date(2013, 1, 1)) -> None:
    path = extract(day)
    chain(choose(path), [is_open(day), "left"])
    count: int = careful(transform(path))
    name = make_cluster(3)
    with delete_cluster(name):
        transform.options(trigger_rule=TriggerRule.ONE_SUCCESS, allow_failure=True, after="x")(path)
    with delete_cluster.named("d")(name).as_teardown(setups=[name]):
        total: int = etl.named("other")(path, scale=3)
    with TaskGroup("outer", prefix=False, defaults={"retries": 1}, tooltip="words") as outer:
        load.partial(x=1).expand(rows=[[1], [2]])
        load.options(max_active_instances=3, map_name="{rows}").expand(rows=transform(path))
        load.expand_kwargs([{"rows": [1]}])
        sums: int = etl.partial(scale=1).expand(path=load.expand(rows=[[1]]).map(str))
    load.options(after=outer)([count, total, sums])
    everything()
    load.expand(rows=transform(path).map(double).concat([3]))
    load.expand(rows=transform.named("more")(path).zip(sizes(), [1], fillvalue=0).map(str))
    lengths: list[int] = transform(path)
    load(lengths + transform(path))
    kept: dict[str, int] = sizes()
    load.expand(rows=sizes().map(lambda pair: pair[0].upper() * pair[1]).map(len))
    load.expand(rows=anything().map(str), x=[kept, both()[0] + 1, both()[1].upper()])
    load(anything())
    Task("a", print, expand={"x": [1]}) >> outer >> Task("b", print, [outer], trigger_rule="always", setup=True)
    Task("c", print, expand_kwargs=[{}]).as_teardown(setups=Task("d", print).as_setup())


def main() -> int:
    run: Run = WorkflowManager("memory").run(flights, day=date(2013, 1, 2))
    WorkflowManager().run(by_month, params={"months": 3}, raise_on_failure=False)
    with Workflow("plain") as plain:
        rows: list[int] = transform(Path("x"))
    WorkflowManager().run(plain)
    print(rows, run.task("load").result, run.state.upper(), [one.name for one in run.tasks])
    return load([1, 2])


@workflow
def inner(day: date, factor: int = 1) -> int:
    return load(transform(extract(day)))


@workflow
def listing(day: date) -> list[int]:
    return transform(extract(day))


@workflow
def nothing() -> None:
    sizes()


@workflow
def outer(day: date) -> tuple[int, list[int]]:
    count: int = inner(day)
    rows: list[int] = listing(day)
    load(rows)
    load.expand(rows=listing(day).map(lambda row: [row]))
    inner.named("again")(day, factor=count)
    inner.options(retries=2, after="again")(day)
    inner.partial(day=day).expand(factor=rows)
    begun: str = inner.detached(day)
    Path(begun)
    nothing()
    SubWorkflow("one more", inner, params={"day": day}, retries=1)
    return count, rows


flow_run: Run = WorkflowManager().run(outer, day=date(2013, 1, 1))
"""

WRONG = """\
@workflow
def flights(day: date = date(2013, 1, 1)) -> None:
    load(extract(day))  # E: arg-type
    transform(day)  # E: call-overload
    load(day)  # E: arg-type
    extract("2013-01-01")  # E: arg-type
    extract()  # E: call-arg
    extract(day, 3)  # E: call-arg
    load.named("again")(extract(day))  # E: arg-type
    load.options(retries=1)(day)  # E: arg-type
    load.options(retires=1)  # E: call-arg
    transform(Path("x")).map(Path.exists)  # E: arg-type
    transform(Path("x")).map(double).map(str.upper)  # E: arg-type
    transform(Path("x")).filter(double)  # E: attr-defined
    load(transform(Path("x")).map(double))  # E: arg-type
    load([1]).map(double)  # E: attr-defined
    text: str = load(transform(extract(day)))  # E: assignment


@task(retries="three")  # E: call-overload untyped-decorator
def wrong() -> None: ...


def takes_two(notice: Notice, more: int) -> None:
    if notice.kind == "task_failde":  # E: comparison-overlap
        print(more)
    notice.task.upper()  # E: union-attr


Task("a", print, on_success=takes_two)  # E: arg-type
Task("a", print, trigger_rule="one_sucess")  # E: arg-type
Task("a", print, expand=[1])  # E: arg-type
Task("a", print, retry_policy=[ValueError])  # E: list-item
Task("a", print, run_if=True)  # E: arg-type
Workflow("b", run_state="leafs")  # E: arg-type
TaskGroup("g", retires=1)  # E: call-arg
load.options(trigger_rule="all_don")  # E: arg-type


@task.branch  # E: type-var
def to_a_number(path: Path) -> int:
    return 3


@setup(trigger_rule=3)  # E: call-overload untyped-decorator
def wrong_rule() -> None: ...


@task_group(retires=3)  # E: call-overload untyped-decorator
def wrong_option() -> None: ...


@task_group
def group(path: Path) -> int:
    text: str = load(transform(path))  # E: assignment
    return 1


@workflow
def wrong_flow() -> None:
    group("x")  # E: arg-type
    group()  # E: call-arg
    group.named(3)  # E: arg-type
    load(group(Path("x")))  # E: arg-type
    choose()  # E: call-arg


@workflow
def inner(day: date, factor: int = 1) -> int:
    return load(transform(extract(day)))


@workflow
def wrong_inner(day: date) -> str:
    inner("monday")  # E: arg-type
    inner(day, 1, 2)  # E: call-arg
    transform(inner(day))  # E: call-overload
    inner.options(retires=1)  # E: call-arg
    return inner(day)  # E: return-value


@workflow(run_state="all")  # E: call-overload untyped-decorator
def wrong_state() -> None: ...


Task("b", print, at_most_once="yes")  # E: arg-type
Workflow("c", on_cancel="mail")  # E: arg-type
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> list[str]:
    """What mypy says of both, in one go; its cache stays from one test run to the next."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "right.py").write_text(HEADER + RIGHT)
    (folder / "wrong.py").write_text(HEADER + WRONG)
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = true\nmypy_path = {ROOT / 'src'}\n")
    kept = getattr(pytestconfig, "cache", None)  # there is none under -p no:cacheprovider
    cache = kept.mkdir("mypy") if kept else folder / "cache"
    arguments = ["--config-file", str(folder / "mypy.ini"), "--cache-dir", str(cache), "--no-error-summary"]
    out, err, _ = api.run([*arguments, str(folder / "right.py"), str(folder / "wrong.py")])
    assert not err
    return out.splitlines()


def test_a_right_workflow_checks(checked: list[str]) -> None:
    assert [line for line in checked if "right.py" in line] == []


def test_a_wrong_one_does_not(checked: list[str]) -> None:
    lines = (HEADER + WRONG).splitlines()
    expected = {(n, code) for n, line in enumerate(lines, 1) for code in line.partition("# E: ")[2].split()}
    found = {
        (int(line.split(":")[1]), line.rpartition("[")[2].rstrip("]"))
        for line in checked
        if "wrong.py" in line and ": error:" in line
    }
    assert found == expected
