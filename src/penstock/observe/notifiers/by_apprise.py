"""A notifier that passes notices on to what apprise reaches: Slack, Discord, Teams, Telegram and many others."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from penstock.errors import NoticeRefused
from penstock.observe.notifiers.addresses import addresses, is_public
from penstock.observe.notifiers.options import Options
from penstock.observe.notifiers.wording import body, subject
from penstock.policy import Notice

_HOSTS_OF_THEIR_OWN = frozenset(
    f"{name}{tls}"
    for name in ("json", "xml", "form", "apprise", "gotify", "ntfy", "mailto", "mmost", "rocket", "matrix", "mqtt")
    for tls in ("", "s")
)
"""Schemes of URLs that name a host to connect to. In others a token stands there, which must not be looked up."""


class ByApprise:
    """Passes notices on to the services of the URLs in an environment variable, with spaces between."""

    def __init__(self, options: Options) -> None:
        options.needed("urls_env")
        urls = options.secret("urls_env").split()
        self._allow_private = options.flag("allow_private")
        try:
            import apprise
        except ImportError as error:
            raise options.wrong(f"it needs an extra ({error}): pip install 'penstock[apprise]'") from error
        self._services: list[Any] = []
        for number, url in enumerate(urls, 1):
            service = apprise.Apprise.instantiate(url)
            if service is None:
                raise options.wrong(f"the URL number {number} in its variable is none that apprise knows")
            if not self._allow_private and _is_private_literal(str(service.host or "")):
                raise options.wrong(
                    f"the URL number {number} in its variable leads to an address that is not of the public Internet; "
                    "if it is meant, set allow_private = true"
                )
            self._services.append(service)
        self._taken: dict[str, set[int]] = {}
        """Of notices that not all services took: those that did."""

    def notify(self, notice: Notice) -> None:
        """Pass a notice on to each service that has not taken it yet."""
        taken = self._taken.setdefault(notice.id, set())
        for number, service in enumerate(self._services):
            if number not in taken and self._tell(service, notice):
                taken.add(number)
        missing = len(self._services) - len(taken)
        if missing:
            raise OSError(f"{missing} of {len(self._services)} services did not take it")
        del self._taken[notice.id]

    def _tell(self, service: Any, notice: Notice) -> bool:
        scheme = str(service.url(privacy=True)).partition(":")[0]
        if scheme in _HOSTS_OF_THEIR_OWN and service.host:
            try:
                addresses(str(service.host), 0, allow_private=self._allow_private)
            except NoticeRefused:
                raise NoticeRefused(
                    f"a service ({scheme}) has an address that is not of the public Internet; "
                    "if it is meant, set allow_private = true for this notifier"
                ) from None
        kind = {"failed": "failure", "success": "success", "retry": "warning", "cancelled": "warning"}
        notify_type = kind.get(notice.kind.rpartition("_")[2], "info")
        return bool(service.notify(body=body(notice), title=subject(notice), notify_type=notify_type))


def _is_private_literal(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return not is_public(ip_address(host.strip("[]")))
    except ValueError:
        return False
