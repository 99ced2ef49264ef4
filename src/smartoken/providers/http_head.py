"""Write the head of a request, so that nothing in it can start a second one. Pure."""

from functools import lru_cache

from smartoken.providers.upstream import Peer, path_is_clean

OWN_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "accept-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
        "proxy-connection",
    }
)


def request_head(peer: Peer, method: str, path: str, headers: list[tuple[str, str]], length: int) -> bytes:
    """Return the request line and header fields up to the blank line, as ISO 8859-1.

    Raises ``ValueError`` naming the field, never its value, for a name that the client owns, a name that is not a
    token, a control character, or text outside ISO 8859-1. HEAD and CONNECT are refused: no caller has use for them.
    """
    if path[:1] != "/":
        raise ValueError("path must start with /")
    return b"%bcontent-length: %d\r\n\r\n" % (
        _start(peer.authority, method, peer.base_path + path, tuple(headers)),
        length,
    )


@lru_cache(maxsize=1024)
def _start(authority: str, method: str, target: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Return all but the length; the same provider and key come again with every call, so it is checked once."""
    if not method.isalpha() or not method.isascii() or method in {"HEAD", "CONNECT"}:
        raise ValueError("method must be a word of ASCII letters, not HEAD or CONNECT")
    if not target.startswith("/") or not path_is_clean(target):
        raise ValueError("path must start with / and hold only printable ASCII without spaces")
    lines = [f"{method} {target} HTTP/1.1\r\nhost: {authority}\r\naccept-encoding: identity\r\n"]
    for name, value in headers:
        if name.lower() in OWN_HEADERS:
            raise ValueError(f"header {name!r} is written by the client")
        lines.append(f"{name}: {value}\r\n")
    head = "".join(lines)
    # One look at the whole is cheaper than one at each field: any line break beyond ours came in with a field.
    if head.count("\n") != len(headers) + 3 or head.count("\r") != len(headers) + 3 or "\0" in head:
        raise ValueError(f"a control character in header {_culprit(headers)!r}")
    for name, _ in headers:
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"header name {name[:40]!r} is not a token")
    try:
        return head.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError("a header value holds text outside ISO 8859-1") from error


def _culprit(headers: tuple[tuple[str, str], ...]) -> str:
    """Name the first field with a line break or NUL."""
    return next((name[:40] for name, value in headers if any(c in "\r\n\0" for c in name + value)), "")
