"""A small part of each campaign against the SQLite store: what `python -m tests.faults.torture` does at full length."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.faults import campaign_corruption, campaign_io, campaign_kills, campaign_power, torture
from tests.faults.campaign import Campaign, Report
from tests.faults.plants import PLANT

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the campaigns look at processes through /proc"),
    pytest.mark.timeout(300),
]


@pytest.mark.parametrize(
    ("campaign", "count"),
    [
        (campaign_kills.CAMPAIGN, 4),
        (campaign_power.CAMPAIGN, 25),
        (campaign_io.CAMPAIGN, 30),
        (campaign_corruption.CAMPAIGN, 40),
    ],
    ids=lambda given: given.name if isinstance(given, Campaign) else None,
)
def test_the_promise_is_kept(campaign: Campaign, count: int):
    with torture.workplace() as folder:
        report = campaign.run(count, 2013, folder)
    assert report.violations == []
    assert report.done >= count


@pytest.mark.parametrize(
    ("campaign", "count", "bug"),
    [
        (campaign_kills.CAMPAIGN, 2, "batches_that_are_acknowledged_too_early"),
        (campaign_power.CAMPAIGN, 10, "commits_that_are_never_synced"),
        (campaign_power.CAMPAIGN, 25, "values_that_are_never_synced"),
        (campaign_io.CAMPAIGN, 60, "errors_of_the_disk_that_look_like_the_tasks"),
        (campaign_corruption.CAMPAIGN, 25, "values_whose_digests_nobody_compares"),
    ],
)
def test_a_planted_bug_is_found(campaign: Campaign, count: int, bug: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(PLANT, bug)
    assert any(found(campaign, some) for some in (1 + count // 6, count))


def found(campaign: Campaign, count: int) -> list[str]:
    """What so many cases of a campaign show."""
    with torture.workplace() as folder:
        return campaign.run(count, 2013, folder).violations


def test_every_campaign_is_found_and_says_what_it_is():
    for name, module in torture.campaigns().items():
        campaign = pytest.importorskip(module).CAMPAIGN
        assert isinstance(campaign, Campaign)
        assert campaign.name == name
        assert campaign.full >= 1


def test_a_violation_ends_the_command_with_1(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    def broken(count: int, seed: int, folder: Path) -> Report:
        return Report(count, [f"seed {seed}: a promise is broken"], {"seen": "a lot"})

    monkeypatch.setattr(campaign_io, "CAMPAIGN", Campaign("io", 40, broken))
    assert torture.main(["io", "--scale", "0.1", "--seed", "5", "--json", "--folder", str(tmp_path)]) == 1
    [row] = json.loads(capsys.readouterr().out)["campaigns"]
    assert (row["campaign"], row["done"], row["notes"]) == ("io", 4, {"seen": "a lot"})
    assert row["violations"] == ["seed 5: a promise is broken"]
    monkeypatch.setattr(campaign_io, "CAMPAIGN", Campaign("io", 40, lambda count, seed, folder: Report(count)))
    assert torture.main(["io", "--folder", str(tmp_path)]) == 0
    assert "io" in capsys.readouterr().out


def test_a_campaign_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        torture.main(["nonsense"])
    assert "there is no campaign nonsense; there are" in capsys.readouterr().err
