"""Step 3: whether the call may start now: the key's rate and concurrency limits.

Rate limits fail open to a local count when shared counters are out of reach; money (issue 2's leases) will fail
closed, at this same place. What is admitted is released exactly once, whatever happens to the call.
"""

from smartoken.errors import RateLimitError
from smartoken.gateway.call import Call
from smartoken.gateway.meter import estimate_prompt
from smartoken.store.counters import Counters, Limits


class Admission:
    """A call's place among the calls under way; ``release`` gives it back."""

    __slots__ = ("_counters", "_name", "_tokens")

    def __init__(self, counters: Counters | None, name: str, tokens: int) -> None:
        self._counters = counters
        self._name = name
        self._tokens = tokens

    def release(self, used_tokens: int | None) -> None:
        """Give the place back, and correct the token count by what was really used."""
        if self._counters is None:
            return
        counters, self._counters = self._counters, None
        counters.leave(self._name)
        if self._tokens and used_tokens is not None:
            counters.adjust(self._name, used_tokens - self._tokens)


UNLIMITED = Admission(None, "", 0)


def admit(call: Call, counters: Counters) -> Admission:
    """Let the call start.

    Raises:
        RateLimitError: which limit of the key is reached, and when to come back.

    """
    key = call.caller.key
    if not (key.rpm or key.tpm or key.concurrency):
        return UNLIMITED
    tokens = estimate_prompt(call.request.body) if key.tpm else 0
    over = counters.enter(key.id, Limits(key.rpm, key.tpm, key.concurrency), tokens)
    if over is not None:
        raise RateLimitError(
            f"This key's limit of {over.limit} {over.what} is reached.",
            limit_source=f"key:{over.what}",
            retry_after_s=over.retry_after_s,
            details={"limit": over.limit, "scope": "key"},
        )
    return Admission(counters, key.id, tokens)
