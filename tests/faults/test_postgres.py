"""A small part of each campaign against Postgres; `python -m tests.faults.torture` runs them at full length."""

from __future__ import annotations

import sys

import pytest

from tests.faults import campaign_postgres_drivers, campaign_postgres_faults, torture
from tests.faults.campaign import Campaign

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the campaigns look at processes through /proc")


@pytest.mark.parametrize(
    ("campaign", "count"),
    [(campaign_postgres_drivers.CAMPAIGN, 4), (campaign_postgres_faults.CAMPAIGN, 8)],
    ids=lambda given: given.name if isinstance(given, Campaign) else None,
)
def test_the_promise_is_kept(campaign: Campaign, count: int):
    with torture.workplace() as folder:
        report = campaign.run(count, 2013, folder)
    assert report.violations == []
    assert report.done >= count
