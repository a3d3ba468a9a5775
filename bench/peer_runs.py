"""How each of the other projects runs a graph of empty tasks, with two workers where it has any."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from bench.contenders import body, per_task
from bench.graphs import Graph
from bench.row import Figures


class Peer(NamedTuple):
    """One project."""

    module: str
    graphs: tuple[str, ...]
    """Those that it can run in bearable time."""
    run: Callable[[Graph, Path], Figures]
    most: int
    """Tasks, where more would take too long."""


def _leaves(graph: list[tuple[int, list[int]]]) -> list[int]:
    above = {upstream for _, upstreams in graph for upstream in upstreams}
    return [i for i, _ in graph if i not in above]


def _timed(run: Callable[[], Any], tasks: int) -> Figures:
    began = perf_counter()
    run()
    return per_task(perf_counter() - began, tasks)


def _dask(graph: Graph, folder: Path) -> Figures:
    threaded, spec = import_module("dask.threaded"), import_module("dask._task_spec")
    tasks = [*graph]

    def call(number: int, *above: Any) -> None:
        body(number)

    def run() -> None:
        made = {f"t{i}": spec.Task(f"t{i}", call, i, *[spec.TaskRef(f"t{u}") for u in ups]) for i, ups in tasks}
        threaded.get(made, [f"t{i}" for i in _leaves(tasks)], num_workers=2)

    return _timed(run, len(tasks))


def _hamilton(graph: Graph, folder: Path) -> Figures:
    os.environ.setdefault("HAMILTON_TELEMETRY_ENABLED", "false")
    driver, tasks = import_module("hamilton.driver"), [*graph]
    lines = ["from bench.contenders import body"]
    for i, upstreams in tasks:
        lines.append(f"def t{i}({', '.join(f't{u}: int' for u in upstreams)}) -> int:\n    body({i})\n    return 0")
    (folder / "made_for_hamilton.py").write_text("\n".join(lines))
    sys.path.insert(0, str(folder))
    module = import_module("made_for_hamilton")

    def run() -> None:
        driver.Builder().with_modules(module).build().execute([f"t{i}" for i in _leaves(tasks)])

    return _timed(run, len(tasks))


def _luigi(graph: Graph, folder: Path) -> Figures:
    luigi, tasks = import_module("luigi"), [*graph]
    upstreams = dict(tasks)

    class Step(luigi.Task):  # type: ignore[misc, name-defined]
        i = luigi.IntParameter()

        def requires(self) -> list[Step]:
            return [Step(i=u) for u in upstreams[self.i]]

        def output(self) -> Any:
            return luigi.LocalTarget(str(folder / "targets" / str(self.i)))

        def run(self) -> None:
            body(self.i)
            with self.output().open("w") as file:
                file.write("ok")

    roots = [Step(i=i) for i in _leaves(tasks)]
    return _timed(lambda: luigi.build(roots, local_scheduler=True, log_level="ERROR", no_lock=True), len(tasks))


def _dbos(graph: Graph, folder: Path) -> Figures:
    dbos, tasks = import_module("dbos").DBOS, [*graph]
    step = dbos.step()(body)

    @dbos.workflow()  # type: ignore[untyped-decorator]
    def steps() -> None:
        for i, _ in tasks:
            step(i)

    url = f"sqlite:///{folder / 'dbos.sqlite'}"
    dbos(config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "application_version": "1"})
    dbos.launch()
    try:
        return _timed(steps, len(tasks))
    finally:
        dbos.destroy()


def _prefect(graph: Graph, folder: Path) -> Figures:
    os.environ |= {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    prefect, tasks = import_module("prefect"), [*graph]

    @prefect.task  # type: ignore[untyped-decorator]
    def step(number: int, above: list[Any]) -> int:
        body(number)
        return number

    @prefect.flow  # type: ignore[untyped-decorator]
    def flow(tasks: list[Any]) -> None:
        values: dict[int, Any] = {}
        for i, upstreams in tasks:
            values[i] = step(i, [values[u] for u in upstreams])

    flow([])  # starts its server, unless PREFECT_API_URL names one
    return _timed(lambda: flow(tasks), len(tasks))


def _dagster(graph: Graph, folder: Path) -> Figures:
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    os.environ["DAGSTER_HOME"] = str(folder)
    logging.disable(logging.CRITICAL)
    dg, tasks = import_module("dagster"), [*graph]

    def compute(number: int) -> Any:
        def call(context, inputs):  # type: ignore[no-untyped-def]  # Dagster refuses annotations that are not its own
            body(number)
            yield dg.Output(number, "result")

        return call

    ops = [
        dg.OpDefinition(
            compute_fn=compute(i),
            name=f"t{i}",
            ins={f"a{u}": dg.In(int) for u in upstreams},
            outs={"result": dg.Out(int)},
        )
        for i, upstreams in tasks
    ]
    edges = {f"t{i}": {f"a{u}": dg.DependencyDefinition(f"t{u}") for u in upstreams} for i, upstreams in tasks}
    job = dg.GraphDefinition(name="bench", node_defs=ops, dependencies=edges).to_job(
        name="bench", executor_def=dg.in_process_executor
    )
    with dg.DagsterInstance.get() as instance:
        return _timed(lambda: job.execute_in_process(instance=instance), len(tasks))


def _redun(graph: Graph, folder: Path) -> Figures:
    logging.disable(logging.CRITICAL)
    redun, config, tasks = import_module("redun"), import_module("redun.config"), [*graph]

    @redun.task(namespace="bench", version="1")  # type: ignore[untyped-decorator]
    def step(number: int, above: list[Any]) -> int:
        body(number)
        return number

    @redun.task(namespace="bench", version="1")  # type: ignore[untyped-decorator]
    def root() -> list[Any]:
        values: dict[int, Any] = {}
        for i, upstreams in tasks:
            values[i] = step(i, [values[u] for u in upstreams])
        return [values[i] for i in _leaves(tasks)]

    database = {"db_uri": f"sqlite:///{folder / 'redun.db'}"}
    workers = {"type": "local", "max_workers": "2"}
    scheduler = redun.Scheduler(config=config.Config({"backend": database, "executors.default": workers}))
    scheduler.load()
    return _timed(lambda: scheduler.run(root()), len(tasks))


def _airflow(graph: Graph, folder: Path) -> Figures:
    os.environ |= {"AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    import subprocess

    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, stdout=subprocess.DEVNULL)
    sdk, tasks = import_module("airflow.sdk"), [*graph]
    operator = import_module("airflow.providers.standard.operators.python").PythonOperator
    with sdk.DAG("bench", schedule=None) as dag:
        made: dict[int, Any] = {}
        for i, upstreams in tasks:
            made[i] = operator(task_id=f"t{i}", python_callable=body, op_args=[i])
            made[i].set_upstream([made[u] for u in upstreams])
    return _timed(dag.test, len(tasks))


PEERS = {
    "Airflow, in-process test": Peer("airflow", ("W1",), _airflow, 20),
    "Dagster, in one process": Peer("dagster", ("W1", "W2"), _dagster, 100),
    "redun": Peer("redun", ("W1", "W2"), _redun, 60),
    "Prefect": Peer("prefect", ("W1", "W2"), _prefect, 100),
    "Luigi": Peer("luigi", ("W1", "W2"), _luigi, 500),
    "DBOS": Peer("dbos", ("W1", "W2"), _dbos, 500),
    "Dask, threads": Peer("dask", ("W1", "W2", "W3"), _dask, 10_000),
    "Hamilton": Peer("hamilton", ("W2", "W3"), _hamilton, 10_000),
}
"""By the names that they have in the table."""
