"""Cross-origin rules of the data plane: per key, none by default. Pure.

A preflight carries no key, so it is answered for any origin that some key allows; whether *this* key allows it is
decided on the call itself, by sending or withholding the header that lets a browser read the answer.
"""

from collections.abc import Collection, Sequence

Headers = list[tuple[bytes, bytes]]
_EXPOSED = (
    b"x-request-id, x-smartoken-provider, x-smartoken-model-served, x-smartoken-attempts, x-smartoken-charge-usd, "
    b"x-smartoken-max-tokens, x-smartoken-warning, retry-after"
)
# SDKs send a dozen of their own; a star alone would leave authorization out.
_TAKEN = b"authorization, content-type, x-api-key, *"


def allowed(origin: str, origins: Collection[str]) -> bool:
    """Whether a list of origins has this one; ``*`` stands for every origin."""
    return "*" in origins or origin in origins


def cors_headers(origin: bytes, origins: Sequence[str]) -> Headers:
    """Return the headers that let a page of an allowed origin read the answer; none for any other."""
    if not allowed(origin.decode("latin-1"), origins):
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"origin"),
    ]


def preflight_headers(origin: bytes | None, origins: Collection[str]) -> Headers:
    """Return the answer's headers for ``OPTIONS``."""
    if origin is None or not allowed(origin.decode("latin-1"), origins):
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", _TAKEN),
        (b"access-control-max-age", b"600"),
        (b"vary", b"origin"),
    ]
