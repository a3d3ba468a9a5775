"""Getting in with a browser, which cannot send a token with all that it asks."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from penstock.api.models.base import Ask
from penstock.api.problems import Refused, described
from penstock.api.security import COOKIE, Rules

router = APIRouter(tags=["service"])


class Token(Ask):
    """What lets one in."""

    token: str = Field(max_length=1_000, pattern=r"^[\x20-\x7e]+$", examples=["correct-horse-battery"])


@router.post("/session", status_code=204, response_class=Response, responses=described(401))
def begin_session(request: Request, ask: Token) -> Response:
    """Keep the token of this server in a cookie that no script can read, until the browser is closed."""
    rules: Rules = request.app.state.rules
    if not rules.is_token(ask.token):
        raise Refused(401, "token-needed", "this is not the token of this server", {"WWW-Authenticate": "Bearer"})
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE, ask.token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/api"
    )
    return response


@router.delete("/session", status_code=204, response_class=Response)
def end_session() -> Response:
    """Forget it."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/api")
    return response
