"""Step 1: who is calling. One look-up in memory; a text whose checksum is wrong never goes further.

Fails closed: whatever is not a known, live key is refused. A revocation is seen as soon as the directory is reloaded,
at the latest two seconds after it happened.
"""

from collections.abc import Awaitable, Callable

from smartoken.errors import (
    AccountSuspendedError,
    InvalidApiKeyError,
    IpNotAllowedError,
    KeyExpiredError,
    KeyPausedError,
    KeyRevokedError,
)
from smartoken.identity.facts import Caller
from smartoken.identity.keys import LENGTH, digest, well_formed
from smartoken.identity.places import address_allowed
from smartoken.operations.directory import Directory

NEGATIVE_S = 1.0
_MAX_NEGATIVE = 10_000


def presented_key(authorization: bytes | None, x_api_key: bytes | None) -> str:
    """Return the key that the headers carry.

    Raises:
        InvalidApiKeyError: none is there, or it is not of the form ``Bearer <key>``.

    """
    if authorization is not None:
        scheme, _, value = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and value:
            return value.strip().decode("latin-1")
        raise InvalidApiKeyError("The Authorization header is not of the form `Bearer sk-st-...`.")
    if x_api_key:
        return x_api_key.strip().decode("latin-1")
    raise InvalidApiKeyError("No API key was sent.")


def check_live(caller: Caller, valid_until_ms: int | None, now_ms: int, ip: str | None) -> None:
    """Refuse a caller whose key or account is not in service, or who calls from elsewhere.

    Raises:
        KeyRevokedError, KeyExpiredError, KeyPausedError, AccountSuspendedError, IpNotAllowedError.

    """
    key = caller.key
    if key.status != "active":
        if key.status == "revoked":
            raise KeyRevokedError(f"Key {key.prefix}...{key.last4} was revoked.")
        if key.status == "paused":
            raise KeyPausedError(f"Key {key.prefix}...{key.last4} is paused.")
        raise KeyRevokedError(f"Key {key.prefix}...{key.last4} is out of use.")
    if key.expires_ms is not None and now_ms >= key.expires_ms:
        raise KeyExpiredError(f"Key {key.prefix}...{key.last4} has expired.")
    if valid_until_ms is not None and now_ms >= valid_until_ms:
        raise KeyExpiredError("This secret was rotated out and its overlap is over; use the new one.")
    if caller.account.status != "active":
        raise AccountSuspendedError("The account of this key is suspended.")
    if key.allowed_ips and not address_allowed(key.allowed_ips, ip):
        raise IpNotAllowedError(f"Calls from {ip or 'an unknown address'} are not allowed for this key.")


def malformed() -> InvalidApiKeyError:
    """Return the error for a text that is no key of any gateway."""
    return InvalidApiKeyError("The API key is malformed; a key of this gateway starts with `sk-st-`.")


class Authenticator:
    """Finds the caller behind a key in the current directory."""

    __slots__ = ("_negative", "_pepper", "_refresh")

    def __init__(self, pepper: bytes, refresh: Callable[[], Awaitable[Directory]]) -> None:
        self._pepper = pepper
        self._refresh = refresh
        self._negative: dict[bytes, float] = {}  # digest -> until (monotonic)

    async def caller(self, key: str, directory: Directory, ip: str | None, now: tuple[int, float]) -> Caller:
        """Return the caller of a presented key; ``now`` is (milliseconds since the epoch, monotonic seconds).

        Raises:
            AccessError: of the kind that says why not.

        """
        if len(key) != LENGTH:
            raise malformed()
        found = digest(self._pepper, key)
        entry = directory.keys.get(found)
        if entry is None:
            if not well_formed(key):  # garbage never reaches the database
                raise malformed()
            until = self._negative.get(found)
            if until is None or until <= now[1]:
                entry = (await self._refresh()).keys.get(found)
                if entry is None:  # noted only now: whoever comes while it is looked up waits for the same answer
                    if len(self._negative) >= _MAX_NEGATIVE:
                        self._negative.clear()
                    self._negative[found] = now[1] + NEGATIVE_S
            if entry is None:
                raise InvalidApiKeyError("This API key is not known here.")
            self._negative.pop(found, None)
        check_live(entry.caller, entry.valid_until_ms, now[0], ip)
        return entry.caller
