"""What waits for somebody's decision."""

from __future__ import annotations

from fastapi import APIRouter

from penstock.api.models.tasks import Approval
from penstock.api.routes.given import Read

router = APIRouter(tags=["actions"])


@router.get("/approvals")
def list_approvals(read: Read) -> list[Approval]:
    """What waits for somebody's decision in all runs; what was asked first comes first."""
    return [read.approval(one) for one in read.manager.approvals()]  # type: ignore[misc]
