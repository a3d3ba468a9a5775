"""Other projects on the same graphs: those that are installed beside Penstock, measured; all, as recorded once.

They are no dependencies: `pip install dask luigi ...` into the environment brings them into the table. The scripts by
which the recorded figures were made measured the same graphs in environments of their own.
"""

from __future__ import annotations

import importlib.util

from bench.peer_runs import PEERS, Peer

RECORDED_ON = "2026-11-22, 2 cores of an AMD EPYC, Python 3.11.7, one run each, partly beside other work"
RECORDED: dict[str, dict[str, tuple[float, int, str]]] = {
    "Airflow 3.3.2, its scheduler": {"W1": (1_539_534.5, 30, "task states in SQLite")},
    "Airflow 3.3.2, in-process test": {"W1": (243_421.2, 50, "task states in SQLite")},
    "Dagster 1.13.27, in one process": {
        "W1": (34_231.6, 100, "event log in SQLite"),
    },
    "redun 0.44.1": {
        "W1": (34_942.4, 300, "call graph and results in SQLite"),
        "W2": (28_097.1, 202, "call graph and results in SQLite"),
    },
    "Prefect 3.8.8, with a server": {
        "W1": (7_835.6, 1_000, "task states in SQLite"),
        "W2": (13_128.0, 302, "task states in SQLite"),
    },
    "Luigi 3.8.1": {
        "W1": (3_405.2, 1_000, "a file for each task"),
        "W2": (4_712.0, 1_002, "a file for each task"),
        "W3": (13_288.4, 1_000, "a file for each task"),
    },
    "DBOS 3.4.0": {
        "W1": (2_611.0, 1_000, "a transaction in SQLite for each step"),
        "W2": (3_012.1, 1_002, "a transaction in SQLite for each step"),
    },
    "Dask 2026.8.0, threads": {
        "W1": (108.7, 1_000, "nothing"),
        "W2": (98.5, 1_002, "nothing"),
        "W3": (155.3, 10_000, "nothing"),
    },
    "Hamilton 1.90.0": {
        "W2": (44.4, 1_002, "nothing"),
        "W3": (94.0, 10_000, "nothing"),
    },
}
"""Project -> graph -> microseconds a task, tasks, and what is kept."""


def installed(graph: str) -> dict[str, Peer]:
    """Those of the projects that are there and can run a graph."""
    return {name: peer for name, peer in PEERS.items() if graph in peer.graphs and _is_there(peer)}


def missing() -> list[str]:
    """The names of those that are not there."""
    return [name for name, peer in PEERS.items() if not _is_there(peer)]


def _is_there(peer: Peer) -> bool:
    return importlib.util.find_spec(peer.module) is not None
