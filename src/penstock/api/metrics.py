"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.api.reading import Reading


class Metrics:
    """All figures of one server."""

    def __init__(self, read: Reading) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_OnRecord(read))
        self.requests = Histogram(
            "penstock_http_request_seconds",
            "How long requests took, till the answer began",
            ("method", "route", "status"),
            registry=self._registry,
        )

    def exposition(self) -> tuple[bytes, str]:
        """All figures as Prometheus reads them, and the media type of that."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _OnRecord(Collector):
    """What the store says when it is asked."""

    def __init__(self, read: Reading) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        runs = GaugeMetricFamily("penstock_runs", "Runs on record", labels=("workflow", "state"))
        for (workflow, state), number in sorted(self._read.store.run_counts().items()):
            runs.add_metric((workflow, state), number)
        yield runs
        slots = GaugeMetricFamily("penstock_pool_slots", "Slots of pools", labels=("pool",))
        used = GaugeMetricFamily("penstock_pool_slots_used", "Slots that are held", labels=("pool",))
        waiting = GaugeMetricFamily("penstock_pool_runs_waiting", "Runs that wait for slots", labels=("pool",))
        for pool in self._read.store.pools():
            for family, number in ((slots, pool.slots), (used, pool.used), (waiting, pool.waiting)):
                family.add_metric((pool.name,), number)
        yield from (slots, used, waiting)


class Measured:
    """Notes how long each request took."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._requests = metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                took = perf_counter() - began
                self._requests.labels(scope["method"], route, str(message["status"])).observe(took)
            await send(message)

        await self._app(scope, receive, answer)
