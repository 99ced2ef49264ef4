"""Which proxy a peer is reached through, and what to say to it. Pure: the environment's values are handed in.

A provider's own proxy wins over the environment's. Only ``http://`` proxies are spoken to, always by CONNECT, for
http and https targets alike, so the proxy never sees a request. TLS to the proxy itself and SOCKS are refused by name.
"""

import base64
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import unquote, urlsplit

from smartoken.providers.address import host_fault, in_url, literal

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |$)")


class ProxyError(ValueError):
    """A proxy setting that cannot be used. The message never repeats it, since it may hold a password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``authorization`` is the whole header value or empty; it is never shown."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> "Proxy":
        """Read ``[http://][user:password@]host[:port]`` (port 80 without one). Raises ``ProxyError``."""
        full = url if "://" in url else f"http://{url}"
        if not full.isascii() or any(c <= " " or c == "\x7f" for c in full):
            raise ProxyError("proxy URL must be printable ASCII without spaces")
        try:
            parts = urlsplit(full)
            port = parts.port
        except ValueError as error:
            raise ProxyError("proxy URL cannot be read") from error
        if parts.scheme != "http":
            raise ProxyError(
                f"proxy scheme must be http, not {parts.scheme[:20]!r} (TLS to the proxy and SOCKS are not built)"
            )
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ProxyError("proxy URL must end after host and port")
        host = parts.hostname or ""
        if fault := host_fault(host):
            raise ProxyError(f"proxy {fault}")
        authorization = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        return cls(host, port or 80, authorization)


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """The environment's proxies and their exceptions; see ``parse`` and ``proxy_for``."""

    https: Proxy | None = None
    http: Proxy | None = None
    everything_direct: bool = False
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    names: tuple[tuple[str, int | None], ...] = ()

    @classmethod
    def parse(cls, *, https_proxy: str = "", http_proxy: str = "", no_proxy: str = "") -> "ProxyRules":
        """Read the values of HTTPS_PROXY, HTTP_PROXY and NO_PROXY; empty means unset. Raises ``ProxyError``.

        NO_PROXY is a list by commas or spaces of ``*``, names (which cover their subdomains, with or without a
        leading ``.`` or ``*.``), addresses and CIDR ranges; a name or address may end in ``:port``.
        """
        networks: list[IPv4Network | IPv6Network] = []
        names: list[tuple[str, int | None]] = []
        entries = [entry for entry in re.split(r"[,\s]+", no_proxy) if entry]
        for entry in entries:
            network = _network(entry)
            if network is not None:
                networks.append(network)
            else:
                names.append(_name_and_port(entry))
        return cls(
            https=Proxy.parse(https_proxy) if https_proxy else None,
            http=Proxy.parse(http_proxy) if http_proxy else None,
            everything_direct="*" in entries,
            networks=tuple(networks),
            names=tuple(name for name in names if name[0] not in {"", "*"}),
        )

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """Return the proxy for this target, None for a direct connection. Loopback is always direct."""
        proxy = self.https if scheme == "https" else self.http
        return None if proxy is None or self._is_direct(host.lower().rstrip("."), port) else proxy

    def _is_direct(self, host: str, port: int) -> bool:
        address = literal(host)
        if self.everything_direct or host == "localhost" or host.endswith(".localhost"):
            return True
        if address is not None and (address.is_loopback or any(address in network for network in self.networks)):
            return True
        return any(
            (host == name or host.endswith(f".{name}")) and only_port in {None, port} for name, only_port in self.names
        )


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    """Read an address or CIDR range; host bits may be set, as curl and Go allow."""
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _name_and_port(entry: str) -> tuple[str, int | None]:
    """Split ``.name:port`` into the bare name and its port."""
    name, colon, port = entry.lower().rpartition(":")
    if not (colon and port.isascii() and port.isdigit()):
        name, port = entry.lower(), ""
    bare = name.strip("[]").removeprefix("*").removeprefix(".").rstrip(".") if name != "*" else "*"
    return bare, int(port) if port else None


def connect_request(proxy: Proxy, host: str, port: int) -> bytes:
    """Return the bytes that ask the proxy for a tunnel to ``host:port``."""
    shown = in_url(host)
    authorization = f"proxy-authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    return f"CONNECT {shown}:{port} HTTP/1.1\r\nhost: {shown}:{port}\r\n{authorization}\r\n".encode("ascii")


def connect_status(head: bytes) -> int | None:
    """Return the status of a proxy's answer head (up to its blank line), None when it is not HTTP/1."""
    found = _STATUS_LINE.match(head.partition(b"\r\n")[0])
    return int(found.group(1)) if found else None
