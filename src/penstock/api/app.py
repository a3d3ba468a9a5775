"""The application: all routes, and what every request and answer passes."""

from __future__ import annotations

from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from penstock.api import problems
from penstock.api.flows import due_next, schedule_records
from penstock.api.kept import Kept
from penstock.api.metrics import Measured, Metrics
from penstock.api.pasts import Pasts
from penstock.api.problems import PROBLEM, Problem
from penstock.api.reading import Reading
from penstock.api.routes import (
    actions,
    approvals,
    events,
    home,
    logs,
    pools,
    runs,
    schedules,
    session,
    tasks,
    workflows,
)
from penstock.api.security import Rules
from penstock.api.static import Files
from penstock.api.watching import Watch

BASE = "/api/v1"
_ROUTERS = (
    *(home.router, runs.router, events.router, logs.router, tasks.router),
    *(actions.router, approvals.router, pools.router, schedules.router, workflows.router, session.router),
)


def create_app(reading: Reading, rules: Rules | None = None) -> FastAPI:
    """The application for what is on record in a store."""
    app = FastAPI(
        title="Penstock",
        version=program_version(),
        description="Runs of workflows: what `penstock` on the command line tells and asks, over HTTP.",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,  # it would be fetched from elsewhere
        redoc_url=None,
        generate_unique_id_function=_name,
        responses={"4XX": {"model": Problem, "description": "What is wrong with the request"}},
    )
    app.state.reading = reading
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router, prefix=BASE)
    app.state.watch = Watch(reading)
    app.state.pasts = Pasts(reading)
    app.state.due_next = Kept(reading.store, partial(due_next, reading.store), fresh=1.0)
    app.state.all_schedules = Kept(reading.store, partial(schedule_records, reading), fresh=1.0)
    app.state.metrics = Metrics(reading)
    app.state.rules = rules or Rules()
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.router.default = Files()
    app.state.allowed = _allowed
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _allowed(path: str) -> list[str]:
    """The methods by which a path may be asked for: those of the first template that it fits."""
    own = path.removeprefix(BASE)
    routes = [route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    template = next((route.path for route in routes if route.path_regex.match(own)), None)
    return sorted({method for route in routes if route.path == template for method in route.methods or ()})


def program_version() -> str:
    """Which Penstock this is."""
    try:
        return version("penstock")
    except PackageNotFoundError:
        return "0"


def _name(route: APIRoute) -> str:
    return route.name


def _described(app: FastAPI) -> dict[str, Any]:
    """The specification, in which every problem has the media type that it has."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        for path in schema["paths"].values():
            for operation in path.values():
                for status, answer in operation["responses"].items():
                    if status[0] in "45" and "content" in answer:
                        content = {"schema": {"$ref": "#/components/schemas/Problem"}}
                        answer["content"] = {PROBLEM: content}
        for unused in ("HTTPValidationError", "ValidationError"):
            schema["components"]["schemas"].pop(unused, None)
    assert app.openapi_schema is not None
    return app.openapi_schema
