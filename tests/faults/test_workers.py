"""A small part of the campaigns against worker processes, and of that in which many processes share a store."""

from __future__ import annotations

import sys

import pytest

from tests.faults import campaign_processes, campaign_workers
from tests.faults.campaign import Campaign
from tests.faults.torture import workplace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the campaigns look at processes through /proc")


@pytest.mark.parametrize(
    ("campaign", "count"),
    [(campaign_workers.CAMPAIGN, 12), (campaign_processes.CAMPAIGN, 2)],
    ids=lambda given: given.name if isinstance(given, Campaign) else None,
)
def test_the_promise_is_kept(campaign: Campaign, count: int):
    with workplace() as folder:
        report = campaign.run(count, 2013, folder)
    assert report.violations == []
    assert report.done >= count
