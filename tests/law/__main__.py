"""Random workflows through the engine and the compiler, judged by the law: `python -m tests.law --count N --seed S`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.law.campaign import PLANS, Campaign
from tests.law.cells import report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.law", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="how many workflows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first workflow")
    parser.add_argument("--plays", type=int, default=2, help="how often each is played")
    parser.add_argument("--plans", choices=sorted(PLANS), default="both", help="who makes the plans")
    parser.add_argument("--without", default="", help="what to leave out: maps,groups,retries,fail_fast")
    parser.add_argument("--most", type=int, default=5, help="stop after so many violations")
    options = parser.parse_args()
    campaign = Campaign(options.seed, options.plays, options.plans, frozenset(filter(None, options.without.split(","))))
    began = told = time.monotonic()
    for number in range(options.first, options.first + options.count):
        campaign.examine(number)
        if time.monotonic() - told > 20:
            told = time.monotonic()
            done = number - options.first + 1
            print(f"{done} workflows, {campaign.plays_done} plays, {done / (told - began):.0f} a second", flush=True)
        if len(campaign.violations) >= options.most:
            break
    for violation in campaign.violations:
        print(*violation, sep="\n", end="\n\n")
    print(*report(campaign.met), sep="\n")
    print(f"{campaign.done} workflows, {campaign.plays_done} plays: {dict(Counter(campaign.endings))}")
    print(f"{len(campaign.violations)} violations")
    return 1 if campaign.violations else 0


if __name__ == "__main__":
    sys.exit(main())
