"""Open a socket to a peer: resolve, check every address, connect, tunnel, shake hands. The one file that does.

Resolve once: the connection goes to the address that was checked, with the peer's own name in Host and SNI, so a name
that changes its answer between check and connection gains nothing. Answers are kept for 30 s (failures 1 s); the
address that worked last is tried first, then the others in order, each with its share of the connect time.
Through a proxy the target is resolved by the proxy, so only its spelling is checked; the proxy itself is trusted,
since only the operator can name it. TLS is always verified; there is no switch for it.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import cast

from smartoken.providers.address import Address, literal, name_refusal, refusal
from smartoken.providers.connection import Connection
from smartoken.providers.proxy import Proxy, connect_request, connect_status
from smartoken.providers.upstream import AddressRefusedError, Peer, UpstreamConnectError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

KEEP_ADDRESSES_S = 30.0
KEEP_FAILURE_S = 1.0
KNOWN_HOSTS_LIMIT = 1024
TUNNEL_HEAD_LIMIT = 16 << 10


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return the context for every upstream: the system's roots, plus a PEM file of further ones.

    Raises ``OSError`` or ``ssl.SSLError`` when the file cannot be read.
    """
    context = ssl.create_default_context()
    if ca_bundle:
        context.load_verify_locations(cafile=ca_bundle)
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(slots=True)
class _Known:
    """What a host resolved to, or that it did not (empty), until ``expires`` on the loop's clock."""

    addresses: list[str]
    expires: float


class Dialer:
    """Connects ``Connection`` objects; one per client, bound to one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext, resolve: Resolve | None = None) -> None:
        """``resolve(host, port)`` returns addresses as text and raises ``OSError``; default: the system's resolver."""
        self._loop = loop
        self._tls = tls
        self._resolve = resolve or self._system_resolve
        self._known: dict[str, _Known] = {}
        self._resolving: dict[str, asyncio.Lock] = {}

    async def dial(self, peer: Peer, connection: Connection, within_s: float) -> None:
        """Give ``connection`` a transport to ``peer``. Raises ``UpstreamConnectError``, leaving nothing open."""
        try:
            async with asyncio.timeout(within_s):
                if peer.proxy is None:
                    await self._direct(peer, connection, within_s)
                else:
                    await self._tunnelled(peer, peer.proxy, connection, within_s)
        except TimeoutError as error:
            connection.disown()
            raise _unreachable(f"no connection to {peer.host} in time", "connect_timeout") from error
        except BaseException:
            connection.disown()
            raise

    async def _direct(self, peer: Peer, connection: Connection, within_s: float) -> None:
        addresses = await self._addresses(peer.host, peer.port)
        if not peer.allow_private:
            _check_all(peer.host, addresses)
        secure = self._tls if peer.scheme == "https" else None
        # The loop's own handshake limit comes later than ours, so that being late has one name.

        async def connect(address: str, share_s: float) -> None:
            await self._loop.create_connection(
                lambda: connection,
                address,
                peer.port,
                ssl=secure,
                server_hostname=peer.host if secure else None,
                ssl_handshake_timeout=share_s + 1.0 if secure else None,
            )

        await self._first_that_answers(peer.host, addresses, within_s, connect)

    async def _tunnelled(self, peer: Peer, proxy: Proxy, connection: Connection, within_s: float) -> None:
        if not peer.allow_private and (reason := name_refusal(peer.host)):
            raise _refused(peer.host, reason)
        tunnel = _Tunnel(self._loop.create_future(), connect_request(proxy, peer.host, peer.port))

        async def connect(address: str, share_s: float) -> None:
            async with asyncio.timeout(share_s):
                await self._loop.create_connection(lambda: tunnel, address, proxy.port)

        try:
            try:
                addresses = await self._addresses(proxy.host, proxy.port)
                await self._first_that_answers(proxy.host, addresses, within_s, connect)
            except UpstreamConnectError as error:
                raise _unreachable(f"no connection to the proxy: {error.message}", "proxy") from error
            transport = await tunnel.opened
            if peer.scheme == "https":
                await self._secure(peer, transport, connection, within_s)
            else:
                transport.set_protocol(connection)
                connection.connection_made(transport)
        except BaseException:
            tunnel.close()
            raise

    async def _secure(self, peer: Peer, plain: asyncio.Transport, connection: Connection, within_s: float) -> None:
        """Start TLS with the target inside the tunnel."""
        try:
            transport = await self._loop.start_tls(
                plain, connection, self._tls, server_hostname=peer.host, ssl_handshake_timeout=within_s + 1.0
            )
        except OSError as error:  # ssl.SSLError is one
            raise _from_os_error(peer.host, error) from error
        if transport is None:
            raise _unreachable(f"TLS with {peer.host} was closed", "tls")
        connection.connection_made(transport)

    async def _first_that_answers(
        self, host: str, addresses: list[str], within_s: float, connect: Callable[[str, float], Awaitable[None]]
    ) -> None:
        """Try addresses in order; the one that works moves to the front of what is known of the host."""
        give_up_at = self._loop.time() + within_s
        fault: UpstreamConnectError | None = None
        for place, address in enumerate(addresses):
            share_s = max((give_up_at - self._loop.time()) / (len(addresses) - place), 0.001)
            try:
                async with asyncio.timeout(share_s) as patience:
                    await connect(address, share_s)
            except OSError as error:  # ssl.SSLError and TimeoutError are ones
                late = patience.expired()
                fault = _unreachable(f"no connection to {host} in time", "connect_timeout") if late else None
                fault = fault or _from_os_error(host, error)
                continue
            if place and (known := self._known.get(host)) is not None and address in known.addresses:
                known.addresses.remove(address)
                known.addresses.insert(0, address)
            return
        raise fault or _unreachable(f"{host} has no address", "dns")

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Return the host's addresses as text, from the cache while it is fresh; one look-up at a time per host."""
        if (address := literal(host)) is not None:
            return [str(address)]
        known = self._known.get(host)
        if known is None or known.expires <= self._loop.time():
            async with self._resolving.setdefault(host, asyncio.Lock()):
                known = self._known.get(host)
                if known is None or known.expires <= self._loop.time():
                    known = await self._look_up(host, port)
        if not known.addresses:
            raise _unreachable(f"the name {host} does not resolve", "dns")
        return list(known.addresses)

    async def _look_up(self, host: str, port: int) -> _Known:
        if len(self._known) >= KNOWN_HOSTS_LIMIT:
            self._known.clear()
            self._resolving = {name: lock for name, lock in self._resolving.items() if lock.locked()}
        try:
            found = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError):
            found = []
        keep_s = KEEP_ADDRESSES_S if found else KEEP_FAILURE_S
        known = self._known[host] = _Known(found, self._loop.time() + keep_s)
        return known

    async def _system_resolve(self, host: str, port: int) -> Sequence[str]:
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel; ``opened`` becomes its transport, or the fault."""

    def __init__(self, opened: "asyncio.Future[asyncio.Transport]", request: bytes) -> None:
        self.opened = opened
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read the head of the proxy's answer; nothing may follow it, since in TLS and HTTP we speak first."""
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            if len(self._head) > TUNNEL_HEAD_LIMIT:
                self._fail("the proxy's answer is too long", "proxy")
            return
        status = connect_status(head)
        if status is None:
            self._fail("the proxy does not speak HTTP", "proxy")
        elif status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            self._fail("the proxy wants other credentials (407)", "proxy_auth")
        elif not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self._fail(f"the proxy refused the tunnel ({status})", "proxy")
        elif rest:
            self._fail("the proxy sent bytes into the tunnel before us", "proxy")
        elif self._transport is not None and not self.opened.done():
            self.opened.set_result(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail when the proxy closes before it answered."""
        self._fail("the proxy reset the connection" if exc else "the proxy closed the connection", "proxy")

    def close(self) -> None:
        """Close the socket, whatever was reached."""
        self.opened.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, message: str, reason: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(_unreachable(message, reason))


def _check_all(host: str, addresses: list[str]) -> None:
    """Refuse a host when any of its addresses is refused: one bad answer makes the name untrustworthy."""
    for text in addresses:
        if reason := refusal(_parsed(text)):
            raise _refused(host, reason)


def _parsed(text: str) -> Address:
    return ip_address(text.partition("%")[0])


def _refused(host: str, reason: str) -> AddressRefusedError:
    return AddressRefusedError(
        f"{host} has an address that is refused ({reason}); set allow_private for this provider if it is meant",
        reason="address",
        sent=False,
    )


def _unreachable(message: str, reason: str) -> UpstreamConnectError:
    return UpstreamConnectError(message, reason=reason, sent=False)


def _from_os_error(host: str, error: OSError) -> UpstreamConnectError:
    """Name what went wrong without the texts of the library, which differ by loop and version."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _unreachable(f"the certificate of {host} is not valid: {error.verify_message}", "tls")
    if isinstance(error, ssl.SSLError):
        return _unreachable(f"TLS with {host} failed: {error.reason or 'handshake'}", "tls")
    what = error.strerror or type(error).__name__
    return _unreachable(f"no connection to {host}: {what}", "connect")
