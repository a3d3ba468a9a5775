"""Pools: how much may go on at a time, over all runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from penstock.api.models.others import Pool, PoolSize
from penstock.api.problems import described
from penstock.api.reading import Reading
from penstock.api.records import pool_record
from penstock.api.routes.given import Read
from penstock.errors import PoolNotFound

router = APIRouter(tags=["pools"])
PoolName = Annotated[str, Path(min_length=1, max_length=200, openapi_examples={"pool": {"value": "warehouse"}})]


@router.get("/pools")
def list_pools(read: Read) -> list[Pool]:
    """The pools, and who has their slots or waits for them."""
    pools = read.manager.pools()
    return [pool_record(pool, read.store.pool_users(pool.name)) for pool in pools]  # type: ignore[misc]


@router.get("/pools/{pool:path}", responses=described(404))
def get_pool(read: Read, pool: PoolName) -> Pool:
    """One pool."""
    return _told(read, pool)


@router.put("/pools/{pool:path}", responses=described(422))
def set_pool(read: Read, pool: PoolName, size: PoolSize) -> Pool:
    """Make a pool, or give it another number of slots. Tasks that run keep what they have; with 0 none begins."""
    read.manager.set_pool(pool, size.slots)
    return _told(read, pool)


@router.delete("/pools/{pool:path}", status_code=204, response_class=Response, responses=described(404))
def delete_pool(read: Read, pool: PoolName) -> None:
    """Forget a pool. Tasks that wait for it wait until it is made again."""
    read.manager.delete_pool(pool)


def _told(read: Reading, name: str) -> Pool:
    for pool in read.manager.pools():
        if pool.name == name:
            return pool_record(pool, read.store.pool_users(name))  # type: ignore[return-value]
    raise PoolNotFound(f"there is no pool '{name}'")
