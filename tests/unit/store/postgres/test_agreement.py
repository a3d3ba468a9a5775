"""The memory store is the model of the Postgres store too: whatever is done to both, they answer alike."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from penstock.store.memory import MemoryStore
from penstock.store.postgres import PostgresStore
from tests.postgres import with_schema
from tests.unit.store.test_agreement import Agreement

pytest_plugins = ("tests.postgres_fixtures",)


def test_agreement(postgres: str):
    numbers = itertools.count()

    class PostgresAgreement(Agreement):
        def __init__(self) -> None:
            super().__init__()
            self.stores.pop().close()
            schema = f"agreement_{id(numbers)}_{next(numbers)}"
            self.stores = [MemoryStore(), PostgresStore(with_schema(postgres, schema))]

    run_state_machine_as_test(
        PostgresAgreement,
        settings=settings(
            max_examples=8, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow], deadline=None
        ),
    )
