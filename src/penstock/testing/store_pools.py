"""What every store must do so that runs share slots. Part of the conformance suite."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from penstock.errors import LeaseLost, PoolNotFound
from penstock.store.base import Claim, Lease, Pool, PoolUse, Store
from penstock.testing.store_samples import StoreSamples, in_threads, new_run

NAMES = ["api", "größe \U0001f600", '["flights", "load"]', "a'b\"c", " ", "%"]


class StorePools(StoreSamples):
    """Pools and claims."""

    @pytest.fixture
    def leases(self, store: Store) -> list[Lease]:
        """Those of the runs "a" to "e"; and there is the pool "api" with four slots."""
        store.set_pool("api", 4)
        return [store.start_run(new_run(id), b"a plan") for id in "abcde"]

    # --- Pools

    def test_pools_are_on_record_by_name(self, store: Store) -> None:
        assert store.pools() == []
        for slots, name in enumerate(NAMES):
            store.set_pool(name, slots)
        assert store.pools() == sorted((Pool(name, slots, 0, 0) for slots, name in enumerate(NAMES)), key=_name)
        store.set_pool("api", 9)
        store.delete_pool("%")
        assert [pool.name for pool in store.pools()] == sorted(set(NAMES) - {"%"})
        assert Pool("api", 9, 0, 0) in store.pools()

    def test_a_pool_that_is_not_on_record(self, store: Store, leases: list[Lease]) -> None:
        with pytest.raises(PoolNotFound, match="db"):
            store.delete_pool("db")
        with pytest.raises(PoolNotFound, match="db"):
            store.claim(leases[0], "db", 1)
        with pytest.raises(PoolNotFound, match="API"):
            store.claim(leases[0], "API", 1)
        assert store.claim(leases[0], "db", 0) == Claim(0, contested=False)
        assert [pool.name for pool in store.pools()] == ["api"]
        assert store.pool_users("db") == []

    @pytest.mark.parametrize(("wanted", "used"), [(-1, 0), (-1, -1), (2, 3), (2, -1)])
    def test_more_than_is_wanted_cannot_be_in_use(
        self, store: Store, leases: list[Lease], wanted: int, used: int
    ) -> None:
        with pytest.raises(ValueError, match="cannot be in use"):
            store.claim(leases[0], "api", wanted, used=used)
        assert store.pool_users("api") == []

    # --- What is granted

    def test_slots_are_given_out_and_given_back(self, store: Store, leases: list[Lease]) -> None:
        a, b, *_ = leases
        assert store.claim(a, "api", 3) == Claim(3, contested=False)
        assert store.claim(b, "api", 1) == Claim(1, contested=False)
        assert store.pools() == [Pool("api", 4, 4, 0)]
        assert store.claim(a, "api", 2, used=1) == Claim(2, contested=False)
        assert store.claim(a, "api", 0) == Claim(0, contested=False)
        assert store.pools() == [Pool("api", 4, 1, 0)]
        assert store.claim(b, "api", 4, used=1) == Claim(4, contested=False)

    def test_what_is_held_is_claimed_again_and_stays_the_same(self, store: Store, leases: list[Lease]) -> None:
        for used in (0, 0, 1, 2, 3):
            assert store.claim(leases[0], "api", 3, used=used) == Claim(3, contested=False)
        assert store.pools() == [Pool("api", 4, 3, 0)]

    def test_a_part_of_what_is_wanted_is_given(self, store: Store, leases: list[Lease]) -> None:
        a, b, *_ = leases
        assert store.claim(a, "api", 3) == Claim(3, contested=False)
        assert store.claim(b, "api", 3) == Claim(1, contested=False)
        assert store.claim(a, "api", 3, used=3) == Claim(3, contested=True)
        assert store.pools() == [Pool("api", 4, 4, 1)]
        assert store.claim(a, "api", 2, used=2) == Claim(2, contested=True)
        assert store.claim(b, "api", 3, used=1) == Claim(2, contested=False)
        assert store.claim(b, "api", 2, used=2) == Claim(2, contested=False)
        assert store.claim(a, "api", 2, used=2) == Claim(2, contested=False)

    def test_who_waits_for_longer_is_ahead(self, store: Store, leases: list[Lease]) -> None:
        a, b, c, d, _ = leases
        store.claim(a, "api", 4)
        assert [store.claim(lease, "api", 2).granted for lease in (b, c, d)] == [0, 0, 0]
        store.claim(a, "api", 1, used=1)
        assert store.claim(d, "api", 2) == Claim(0, contested=True)
        assert store.claim(c, "api", 2) == Claim(1, contested=True)
        assert store.claim(b, "api", 2) == Claim(2, contested=True)
        store.claim(a, "api", 0)
        assert store.claim(d, "api", 2) == Claim(0, contested=True)
        assert store.claim(c, "api", 2, used=1) == Claim(2, contested=True)

    def test_who_is_behind_gets_what_those_ahead_do_not_want(self, store: Store, leases: list[Lease]) -> None:
        a, b, c, d, _ = leases
        store.claim(a, "api", 4)
        assert [store.claim(lease, "api", 1).granted for lease in (b, c, d)] == [0, 0, 0]
        store.claim(a, "api", 2, used=2)
        assert store.claim(d, "api", 2) == Claim(0, contested=True)
        assert store.claim(c, "api", 1) == Claim(1, contested=True)
        store.claim(a, "api", 0)
        assert store.claim(d, "api", 5) == Claim(2, contested=True)
        assert store.claim(b, "api", 1) == Claim(1, contested=True)

    def test_the_higher_priority_is_ahead(self, store: Store, leases: list[Lease]) -> None:
        a, b, c, d, _ = leases
        store.claim(a, "api", 4)
        store.claim(b, "api", 1, priority=1)
        store.claim(c, "api", 1, priority=2)
        store.claim(d, "api", 1, priority=-1)
        assert [use.run_id for use in store.pool_users("api")] == ["c", "b", "d", "a"]
        store.claim(a, "api", 3, used=3)
        assert store.claim(d, "api", 1, priority=-1).granted == 0
        assert store.claim(b, "api", 1, priority=1).granted == 0
        assert store.claim(b, "api", 1, priority=3).granted == 1
        assert [use.run_id for use in store.pool_users("api")] == ["c", "d", "a", "b"]

    def test_a_wish_that_was_granted_is_followed_by_a_new_one(self, store: Store, leases: list[Lease]) -> None:
        a, b, *_ = leases
        store.claim(a, "api", 4)
        store.claim(b, "api", 1)
        assert store.claim(a, "api", 4, used=3) == Claim(3, contested=True)  # it was ahead, and has had its turn
        assert store.claim(b, "api", 1) == Claim(1, contested=True)
        store.claim(b, "api", 2, used=1)
        assert store.claim(b, "api", 1, used=0) == Claim(0, contested=True)  # a was there before this wish
        assert store.claim(a, "api", 4, used=3) == Claim(4, contested=True)

    def test_a_wish_that_is_not_granted_in_full_keeps_its_place(self, store: Store, leases: list[Lease]) -> None:
        a, b, c, *_ = leases
        store.claim(a, "api", 4)
        store.claim(b, "api", 2)
        store.claim(c, "api", 2)
        store.claim(a, "api", 3, used=3)
        assert store.claim(b, "api", 2) == Claim(1, contested=True)
        assert store.claim(c, "api", 2) == Claim(0, contested=True)
        assert store.claim(b, "api", 2) == Claim(1, contested=True)  # though it uses nothing
        store.claim(a, "api", 2, used=2)
        assert store.claim(c, "api", 2) == Claim(0, contested=True)
        assert store.claim(b, "api", 2) == Claim(2, contested=True)

    def test_what_is_in_use_is_kept_when_the_pool_shrinks(self, store: Store, leases: list[Lease]) -> None:
        a, b, *_ = leases
        store.claim(a, "api", 4)
        store.set_pool("api", 1)
        assert store.pools() == [Pool("api", 1, 4, 0)]
        assert store.claim(b, "api", 1) == Claim(0, contested=False)
        assert store.claim(a, "api", 4, used=3) == Claim(3, contested=True)
        assert store.claim(a, "api", 4, used=1) == Claim(1, contested=True)
        store.claim(a, "api", 0)
        assert store.claim(b, "api", 1) == Claim(1, contested=False)
        store.set_pool("api", 0)
        assert store.claim(a, "api", 1) == Claim(0, contested=False)
        store.set_pool("api", 2)
        assert store.claim(a, "api", 1) == Claim(1, contested=False)

    def test_pools_are_apart(self, store: Store, leases: list[Lease]) -> None:
        for name in NAMES:
            store.set_pool(name, 1)
            assert store.claim(leases[0], name, 1) == Claim(1, contested=False)
            assert store.claim(leases[1], name, 1) == Claim(0, contested=False)
        store.claim(leases[0], "api", 0)
        assert store.claim(leases[1], " ", 1) == Claim(0, contested=False)
        assert store.claim(leases[1], "api", 1) == Claim(1, contested=False)

    def test_a_pool_that_is_not_on_record_is_as_large_as_is_said(self, store: Store, leases: list[Lease]) -> None:
        a, b, c, *_ = leases
        assert store.claim(a, "db", 3, capacity=2) == Claim(2, contested=False)
        assert store.claim(b, "db", 1, capacity=2) == Claim(0, contested=True)
        assert store.claim(c, "db", 1, capacity=9) == Claim(1, contested=True)  # beyond what those ahead want
        assert [use.run_id for use in store.pool_users("db")] == ["a", "b", "c"]
        assert [pool.name for pool in store.pools()] == ["api"]
        store.set_pool("db", 2)
        assert store.claim(c, "db", 2, used=1, capacity=9) == Claim(1, contested=True)
        with pytest.raises(PoolNotFound):
            store.claim(c, "another", 1)

    def test_a_pool_that_is_deleted_keeps_what_is_held(self, store: Store, leases: list[Lease]) -> None:
        a, b, *_ = leases
        store.claim(a, "api", 3)
        store.claim(b, "api", 2)
        store.delete_pool("api")
        assert store.pools() == []
        with pytest.raises(PoolNotFound, match="api"):
            store.claim(b, "api", 2, used=1)
        assert store.claim(a, "api", 2, used=2) == Claim(2, contested=False)
        store.set_pool("api", 4)
        assert store.pools() == [Pool("api", 4, 3, 0)]
        store.delete_pool("api")
        assert store.claim(a, "api", 0).granted == 0
        assert [use.run_id for use in store.pool_users("api")] == ["b"]

    def test_who_waited_for_a_pool_that_is_deleted_waits_no_more(self, store: Store, leases: list[Lease]) -> None:
        store.claim(leases[0], "api", 4)
        store.claim(leases[1], "api", 4)
        store.delete_pool("api")
        assert [use.run_id for use in store.pool_users("api")] == ["a"]

    def test_who_uses_and_who_waits_is_known(self, store: Store, leases: list[Lease]) -> None:
        a, b, c, d, _ = leases
        before = time.time()
        store.claim(d, "api", 1)
        store.claim(a, "api", 3, priority=7)
        store.claim(c, "api", 2)
        store.claim(b, "api", 1, priority=1)
        waiting, held = store.pool_users("api")[:2], store.pool_users("api")[2:]
        assert held == [PoolUse("a", 3, 3, 7, None), PoolUse("d", 1, 1, 0, None)]
        assert [(use.run_id, use.granted, use.wanted, use.priority) for use in waiting] == [
            ("b", 0, 1, 1),
            ("c", 0, 2, 0),
        ]
        assert all(use.since is not None and abs(use.since - before) < 60 for use in waiting)  # the store's own clock
        store.claim(c, "api", 3)
        assert store.pool_users("api")[1].since == waiting[1].since

    # --- Leases

    def test_a_lease_that_was_given_back_lets_everything_go(self, store: Store, leases: list[Lease]) -> None:
        a, b, *_ = leases
        for name in NAMES:
            store.set_pool(name, 2)
            store.claim(a, name, 2)
            store.claim(b, name, 2)
        a.release()
        for name in NAMES:
            assert [use.run_id for use in store.pool_users(name)] == ["b"]
            assert store.claim(b, name, 2) == Claim(2, contested=False)
        with pytest.raises(LeaseLost, match="run a "):
            store.claim(a, "api", 1)
        with pytest.raises(LeaseLost, match="run a "):
            store.claim(a, "api", 0)

    def test_who_waited_is_not_waited_for_when_he_leaves(self, store: Store, leases: list[Lease]) -> None:
        a, b, c, *_ = leases
        store.claim(a, "api", 3)
        store.claim(b, "api", 4)
        store.claim(c, "api", 1)
        b.release()
        assert store.claim(c, "api", 1) == Claim(1, contested=False)

    def test_the_next_driver_of_a_run_begins_with_nothing(self, store: Store, leases: list[Lease]) -> None:
        store.claim(leases[0], "api", 3)
        leases[0].release()
        newer = store.acquire("a")
        assert store.pools() == [Pool("api", 4, 0, 0)]
        assert store.claim(newer, "api", 2) == Claim(2, contested=False)
        leases[0].release()
        assert store.pools() == [Pool("api", 4, 2, 0)]
        with pytest.raises(LeaseLost):
            store.claim(leases[0], "api", 0)
        assert store.pools() == [Pool("api", 4, 2, 0)]

    def test_a_run_that_is_deleted_leaves_no_claims(self, store: Store, leases: list[Lease]) -> None:
        store.claim(leases[0], "api", 3)
        leases[0].release()
        store.delete_run("a")
        store.create_run(new_run("a"), b"a plan")
        assert store.pool_users("api") == []
        with pytest.raises(LeaseLost):
            store.claim(leases[0], "api", 1)

    def test_claims_end_with_the_store(self, store: Store, leases: list[Lease]) -> None:
        store.claim(leases[0], "api", 3)
        for lease in leases:
            lease.release()
        assert store.pools() == [Pool("api", 4, 0, 0)]

    def test_threads_never_get_more_than_there_is(self, store: Store) -> None:
        store.set_pool("api", 3)
        counting = threading.Lock()
        used, most, turns = 0, 0, 0

        def drive(number: int) -> None:
            nonlocal used, most, turns
            lease = store.start_run(new_run(f"many-{number}"), b"a plan")
            left = 10
            while left:
                if store.claim(lease, "api", 1).granted:
                    with counting:
                        used, turns = used + 1, turns + 1
                        most = max(most, used)
                    left -= 1
                    assert sum(use.granted for use in store.pool_users("api")) <= 3
                    with counting:
                        used -= 1
                    store.claim(lease, "api", 0)
            lease.release()

        in_threads(drive, 6)
        assert turns == 60
        assert most <= 3
        assert store.pools() == [Pool("api", 3, 0, 0)]

    # --- Pokes

    @pytest.mark.parametrize("how", ["claim", "release", "set_pool", "delete_pool"])
    def test_who_waits_is_poked_when_something_comes_free(self, store: Store, leases: list[Lease], how: str) -> None:
        a, b, *_ = leases
        store.claim(a, "api", 4)
        store.claim(b, "api", 1)
        ways: dict[str, Callable[[], object]] = {
            "claim": lambda: store.claim(a, "api", 3, used=3),
            "release": a.release,
            "set_pool": lambda: store.set_pool("api", 5),
            "delete_pool": lambda: store.delete_pool("api"),
        }
        listener = store.listen("b")
        listener.wait(0)
        ways[how]()
        assert listener.wait(60)
        listener.close()

    @pytest.mark.parametrize("how", ["claim", "release"])
    def test_who_waits_is_poked_when_nobody_is_ahead_any_more(
        self, store: Store, leases: list[Lease], how: str
    ) -> None:
        a, b, c, *_ = leases
        store.claim(a, "api", 4)
        store.claim(b, "api", 2)
        store.claim(c, "api", 1)
        store.claim(a, "api", 3, used=3)
        listener = store.listen("c")
        listener.wait(0)
        if how == "claim":
            store.claim(b, "api", 0)
        else:
            b.release()
        assert listener.wait(60)
        assert store.claim(c, "api", 1) == Claim(1, contested=False)
        listener.close()

    def test_who_holds_slots_is_poked_when_somebody_begins_to_wait(self, store: Store, leases: list[Lease]) -> None:
        a, b, *_ = leases
        store.claim(a, "api", 4)
        listener = store.listen("a")
        listener.wait(0)
        store.claim(b, "api", 1)
        assert listener.wait(60)
        assert store.claim(a, "api", 4, used=3) == Claim(3, contested=True)
        listener.close()


def _name(pool: Pool) -> str:
    return pool.name
