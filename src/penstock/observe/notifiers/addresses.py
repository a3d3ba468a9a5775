"""Where a notifier may connect to: to no host of the own network, unless its settings allow that.

Whoever can write a host's name into settings, or answers for one in the DNS, could otherwise have a driver speak to
services that only the own machine or network can reach. So the addresses of a name are looked up once and judged, and
the connection goes to an address that was judged: a second look-up might say something else.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

from penstock.errors import NoticeRefused

_EMBEDDING = {
    "64:ff9b::/96": 0,  # NAT64, RFC 6052
    "64:ff9b:1::/48": 0,  # NAT64 within a network, RFC 8215
    "2002::/16": 80,  # 6to4, RFC 3056
    "::/96": 0,  # IPv4-compatible, RFC 4291
}
"""Networks of IPv6 whose addresses stand for one of IPv4 -> how many bits stand behind that."""
_NETWORKS = tuple((ipaddress.IPv6Network(text), shift) for text, shift in _EMBEDDING.items())
_OWN = (*map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "2001::/32", "fec0::/10", "3fff::/20", "5f00::/16")),)
"""What `is_global` of this Python may not know: local NAT64, Teredo, site-local, documentation, segment routing."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public Internet's hosts, also where it stands for another one within."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _OWN):
            return False
        for network, shift in _NETWORKS:
            if address in network:
                return is_public(IPv4Address(int(address) >> shift & 0xFFFFFFFF))
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def addresses(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of a host, all of which may be connected to. NoticeRefused if one of them may not; OSError if the
    host is not known."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    texts = [*dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)]
    for text in texts:
        if not allow_private and not is_public(ipaddress.ip_address(text.partition("%")[0])):
            raise NoticeRefused(
                f"{host} is {text}, an address that is not of the public Internet; "
                "if it is meant, set allow_private = true for this notifier"
            )
    return texts


def connect(host: str, port: int, timeout: float, *, allow_private: bool) -> socket.socket:
    """A connection to a host, to an address that was judged. NoticeRefused if it may not be; OSError if it fails."""
    failure: OSError | None = None
    for address in addresses(host, port, allow_private=allow_private):
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
    raise failure or OSError(f"{host} has no address")
