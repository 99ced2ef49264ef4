"""One HTTP request of the data plane, read with limits: the headers that matter, the body by counting bytes."""

import hmac
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from smartoken.errors import InvalidRequestError, RequestTooLargeError
from smartoken.gateway.reply import Receive, Scope
from smartoken.identity.places import address_allowed, is_address

_LOOKED_AT = frozenset(
    {b"authorization", b"x-api-key", b"origin", b"content-encoding", b"content-length", b"x-forwarded-for", b"host"}
)
_LONGEST_ADDRESS = 64  # characters; a scope may make one of IPv6 as long as one likes
Networks = Sequence[IPv4Network | IPv6Network]


class ClientLeftError(Exception):
    """The client closed its connection before the body was whole."""


class Request:
    """The request's head, looked at once."""

    __slots__ = ("_receive", "authorization", "encoding", "forwarded", "host", "length", "method", "origin", "path",
                 "peer", "query", "x_api_key")  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        client = scope.get("client")
        self.peer: str | None = client[0] if client else None
        headers = scope["headers"]
        found: dict[bytes, bytes] = {name: value for name, value in headers if name in _LOOKED_AT}
        self.authorization = found.get(b"authorization")
        self.x_api_key = found.get(b"x-api-key")
        self.origin = found.get(b"origin")
        self.encoding = found.get(b"content-encoding")
        self.length = found.get(b"content-length")
        self.forwarded = found.get(b"x-forwarded-for")
        self.host = found.get(b"host")
        if self.forwarded is not None:  # each proxy may have added a field of its own
            self.forwarded = b",".join([value for name, value in headers if name == b"x-forwarded-for"])

    def address(self, trusted: Networks) -> str | None:
        """Return the caller's address: the peer's, or behind trusted proxies the last one they did not add.

        What a proxy passes on that is no address is nobody's: None, which no list of addresses allows.
        """
        if not trusted or self.forwarded is None or not address_allowed(trusted, self.peer):
            return self.peer
        for named in reversed(self.forwarded.decode("latin-1").split(",")):
            hop = named.strip()
            if not address_allowed(trusted, hop):
                return hop if len(hop) <= _LONGEST_ADDRESS and is_address(hop) else None
        return self.peer

    async def body(self, most: int) -> bytes:
        """Return the whole body.

        Raises:
            RequestTooLargeError: more than ``most`` bytes came, or were announced.
            InvalidRequestError: the body is compressed.
            ClientLeftError: the client left before the end.

        """
        if self.encoding is not None and self.encoding.lower() != b"identity":
            raise InvalidRequestError("Send the body without Content-Encoding.", param="Content-Encoding")
        if self.length is not None and self.length.isdigit() and int(self.length) > most:
            raise too_large(most)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            if len(body) > most:
                raise too_large(most)
            return body
        parts, total = [body], len(body)
        while message.get("more_body", False):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeftError
            part = message.get("body", b"")
            total += len(part)
            if total > most:
                raise too_large(most)
            parts.append(part)
        return b"".join(parts)


def too_large(most: int) -> RequestTooLargeError:
    """Return the error for a body over the limit."""
    return RequestTooLargeError(f"The body is larger than {most} bytes.", details={"limit_bytes": most})


def token_matches(authorization: bytes | None, token: str) -> bool:
    """Whether the header is ``Bearer`` and this token, compared in constant time."""
    expected = b"Bearer " + token.encode()
    return authorization is not None and hmac.compare_digest(authorization, expected)
