"""What the rest of the product knows of an upstream connection: peers, the two protocols and the errors. Pure.

    UpstreamError                    .kind for routing, .sent for money, .reason for metrics
    ├── UpstreamConnectError             no usable connection: DNS, refused, TLS, proxy, connect timeout
    │   └── AddressRefusedError              the address check forbids the peer (SSRF)
    ├── UpstreamTimeout                  first byte, idle or total time is over
    ├── UpstreamCut                      the answer broke off: EOF or RST before its declared end
    ├── UpstreamBadAnswer                not a valid HTTP/1.1 answer, or over a limit of this gateway
    └── UpstreamClosedError              this side closed the client or aborted the call

``UpstreamClient`` (``client.py``) is the real ``Upstream``; drills and tests wrap or replace it. A cut never looks
like an end: ``chunk`` and ``read`` return only what a whole answer holds, else they raise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol
from urllib.parse import SplitResult, urlsplit

from smartoken.errors import FailureClass
from smartoken.providers.address import host_fault, in_url
from smartoken.providers.proxy import Proxy

DAY_S = 86_400
PORTS = 65_536
DEFAULT_PORTS = {"http": 80, "https": 443}


class PeerError(ValueError):
    """A base URL or a timeout that no peer can have. The message never repeats credentials."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The four limits of one call, in seconds, each above 0.

    ``connect_s``: DNS, TCP, proxy and TLS together. ``first_byte_s``: from the last byte of the request that could be
    written to the end of the answer's headers. ``idle_s``: between two reads of the body, counted only while somebody
    waits for them. ``total_s``: from the call of ``request`` to the last byte. They are checked by a sweep, so a limit
    may act late by one sweep interval (0.25 s).
    """

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 600.0

    def __post_init__(self) -> None:
        for name in ("connect_s", "first_byte_s", "idle_s", "total_s"):
            if not 0 < getattr(self, name) <= DAY_S:
                raise PeerError(f"timeout {name} must be above 0 and at most 86400 seconds")


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Peer:
    """One upstream server as the client sees it. ``pool_key`` says which connections it may share."""

    scheme: str
    host: str
    port: int
    base_path: str = ""
    allow_private: bool = False
    proxy: Proxy | None = None
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    authority: str = field(init=False, repr=False, compare=False)
    pool_key: tuple[str, str, int, bool, Proxy | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.scheme not in DEFAULT_PORTS:
            raise PeerError(f"scheme must be https or http, not {self.scheme[:20]!r}")
        if fault := host_fault(self.host):
            raise PeerError(fault)
        if not 0 < self.port < PORTS:
            raise PeerError("port must be 1 to 65535")
        if not path_is_clean(self.base_path) or self.base_path.endswith("/"):
            raise PeerError("base path must be printable ASCII, start with / and not end with /")
        shown = in_url(self.host)
        authority = shown if self.port == DEFAULT_PORTS[self.scheme] else f"{shown}:{self.port}"
        object.__setattr__(self, "authority", authority)
        key = (self.scheme, self.host, self.port, self.allow_private, self.proxy)
        object.__setattr__(self, "pool_key", key)

    @classmethod
    def parse(
        cls,
        base_url: str,
        *,
        allow_private: bool = False,
        proxy: Proxy | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> "Peer":
        """Read ``https://host[:port][/base/path]``; any port, no user, query or fragment. Raises ``PeerError``."""
        parts = split_url(base_url)
        if parts.username is not None or parts.password is not None:
            raise PeerError("base URL must not hold a user or password; keys belong in the provider's settings")
        if parts.query or parts.fragment or "?" in base_url or "#" in base_url:
            raise PeerError("base URL must not hold a query or fragment")
        written = port_of(parts)
        port = DEFAULT_PORTS.get(parts.scheme, 0) if written is None else written
        host = (parts.hostname or "").rstrip(".")
        return cls(parts.scheme, host, port, parts.path.rstrip("/"), allow_private, proxy, timeouts)


def split_url(url: str) -> SplitResult:
    """Split a URL; a broken one raises ``PeerError`` without repeating it, since it may hold a password."""
    if not url.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in url):
        raise PeerError("URL must be printable ASCII without spaces (write an international name in its xn-- form)")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise PeerError("URL cannot be read") from error
    if not parts.scheme or not parts.netloc:
        raise PeerError("URL must look like https://host/path")
    return parts


def port_of(parts: SplitResult) -> int | None:
    """Return the port written in the URL, None without one. Raises ``PeerError`` for what is not a port."""
    try:
        return parts.port
    except ValueError as error:
        raise PeerError("port must be 1 to 65535") from error


def path_is_clean(path: str) -> bool:
    """Say whether a path may stand in a request line: empty or from ``/``, printable ASCII, no space or fragment."""
    return not path or (
        path[0] == "/" and path.isascii() and path.isprintable() and " " not in path and "#" not in path
    )


class UpstreamError(Exception):
    """Base of all that ``request``, ``chunk`` and ``read`` raise.

    ``sent``: whether any byte of the request may have left. ``kind``: the class for routing. ``reason``: one short
    word for metrics and logs. The message holds no header, no body and no credential.
    """

    kind: ClassVar[FailureClass] = FailureClass.CONNECT

    def __init__(self, message: str, *, reason: str, sent: bool) -> None:
        """Keep the three facts beside the text."""
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.sent = sent


class UpstreamConnectError(UpstreamError):
    """No usable connection. ``reason``: dns, connect, connect_timeout, tls, proxy, proxy_auth or address."""


class AddressRefusedError(UpstreamConnectError):
    """The peer resolves to an address that only ``allow_private`` would allow."""


class UpstreamTimeout(UpstreamError):  # noqa: N818 - the event on the wire; UpstreamTimeoutError is what callers see
    """The time is over. ``reason``: first_byte, idle or total."""

    kind = FailureClass.TIMEOUT


class UpstreamCut(UpstreamError):  # noqa: N818 - the event on the wire; UpstreamCutError is what callers see
    """The connection ended before the answer did. ``reason``: no_answer, head, body or encoding."""

    kind = FailureClass.CUT


class UpstreamBadAnswer(UpstreamError):  # noqa: N818 - named like its siblings above
    """Not an answer this client takes. ``reason``: protocol, head_limit, body_limit, framing_limit or encoding."""

    kind = FailureClass.BAD_ANSWER


class UpstreamClosedError(UpstreamError):
    """This side ended it. ``reason``: aborted or client_closed."""

    kind = FailureClass.CUT


class UpstreamResponse(Protocol):
    """The head of an answer, and its body as it comes. One reader at a time."""

    @property
    def status(self) -> int:
        """The final status, 200 to 999; 1xx answers are skipped and redirects are not followed."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields under lower-case names; repeated ones are joined by a comma and a space."""

    @property
    def last_byte(self) -> float:
        """The loop's time at the latest byte of the answer, comments of an event stream included."""

    async def chunk(self) -> bytes:
        """Return the next bytes of the decoded body, b"" at its clean end; raises an ``UpstreamError`` else.

        Cancelling the wait loses nothing: call again, or ``abort``.
        """

    async def read(self, limit: int) -> bytes:
        """Return the rest of the decoded body; over ``limit`` bytes raises ``UpstreamBadAnswer`` (body_limit)."""

    def abort(self) -> None:
        """Close the connection at once unless the answer is already whole. May be called again and at any time."""


class Upstream(Protocol):
    """Something that carries a request to a peer."""

    async def request(
        self, peer: Peer, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> UpstreamResponse:
        """Send, and return when the answer's headers are there; ``path`` is put behind the peer's base path.

        Host, Content-Length, Accept-Encoding and Connection are written by the client and refused in ``headers``
        (``ValueError``, as for a control character anywhere: nothing was sent).
        """

    async def close(self) -> None:
        """Abort what runs and close every connection."""


@dataclass(frozen=True, slots=True)
class UpstreamStats:
    """Counts for metrics: ``open`` (of which ``idle``) are now, the others since the start."""

    open: int
    idle: int
    created: int
    reused: int
    retried: int
    failed_connects: int
