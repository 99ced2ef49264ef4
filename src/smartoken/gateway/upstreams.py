"""What the gateway keeps about upstreams: the client, peers, ready-made headers, and which keys rest.

One a worker. A provider's peer and a key's headers are made once and found again by identity of their set-up, which
is frozen and replaced whole when the directory is reloaded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from smartoken.clock import Clock
from smartoken.gateway.call import Call, Target, Wish
from smartoken.gateway.pools import Pools
from smartoken.providers.continuing import continued_path
from smartoken.providers.failures import Failure
from smartoken.providers.reasoning import WARNING as LOST_WARNING
from smartoken.providers.reasoning import ReasoningStore
from smartoken.providers.registry import dialect
from smartoken.providers.requests import collects, demands_replay, limit_name, upstream_body
from smartoken.providers.setup import ProviderSetup, UpstreamKey
from smartoken.providers.upstream import Peer, Upstream, UpstreamResponse
from smartoken.routing.preferences import FIELDS

_MAX_REMEMBERED = 4_096
USER_AGENT = "smartoken"
_ROUTED = frozenset(FIELDS)
_SWITCHES = ("thinking", "enable_thinking", "reasoning_effort", "thinking_budget")


class Upstreams:
    """Sends targets to their providers and remembers how the keys fared."""

    __slots__ = ("_client", "_clock", "_headers", "_peers", "_reasoning", "detour", "pools")

    def __init__(self, client: Upstream, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self.pools = Pools(clock)
        self.detour: Callable[[Target], Upstream] | None = None  # a drill's: who carries a target instead of the client
        self._reasoning = ReasoningStore()
        # By identity, which is quicker than by value; what it is the identity of is kept, so that it stays its own.
        self._peers: dict[int, tuple[ProviderSetup, Peer]] = {}
        self._headers: dict[tuple[str, int], tuple[UpstreamKey, list[tuple[str, str]]]] = {}

    def _peer(self, setup: ProviderSetup) -> Peer:
        found = self._peers.get(id(setup))
        if found is not None:
            return found[1]
        if len(self._peers) >= _MAX_REMEMBERED:
            self._peers.clear()
        peer = Peer.parse(setup.base_url, allow_private=setup.allow_private, proxy=setup.proxy, timeouts=setup.timeouts)
        self._peers[id(setup)] = (setup, peer)
        return peer

    def _headers_of(self, target: Target) -> list[tuple[str, str]]:
        key = target.key
        place = (target.offer.provider.dialect, id(key))
        found = self._headers.get(place)
        if found is not None:
            return found[1]
        if len(self._headers) >= _MAX_REMEMBERED:
            self._headers.clear()
        headers = [
            *dialect(target.offer.provider.dialect).auth_headers(key.secret.reveal()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("user-agent", USER_AGENT),
        ]
        self._headers[place] = (key, headers)
        return headers

    async def send(self, target: Target) -> UpstreamResponse:
        """Send the target's body; raises an ``UpstreamError`` when no answer's head comes back."""
        setup = target.offer.provider
        client = self._client if self.detour is None else self.detour(target)
        peer, path = self._peer(setup), target.path
        if path is None:
            path = dialect(setup.dialect).chat_path
        else:
            peer = replace(peer, base_path="")
        return await client.request(peer, "POST", path, self._headers_of(target), orjson.dumps(target.body))

    def prepared(self, target: Target, wish: Wish) -> Target:
        """Return the target with the body that its provider takes, thinking put back where the vendor demands it.

        Raises:
            InvalidRequestError: the provider cannot do what a parameter asks.

        """
        spoken = dialect(target.offer.provider.dialect)
        call, model = wish.call, wish.model.model
        body: Mapping[str, Any] = call.request.body
        if not _ROUTED.isdisjoint(body):  # what it asks of the route is ours, not the provider's
            body = {name: each for name, each in body.items() if name not in _ROUTED}
        lost = False
        if wish.thinking is not None and not any(body.get(name) is not None for name in _SWITCHES):
            body = {**body, "enable_thinking": wish.thinking}
        if spoken.replays_reasoning and demands_replay(spoken, model, body):
            account, now = call.caller.account.id, self._clock.monotonic()
            messages, lost = self._reasoning.attach(account, body["messages"], now)
            body = {**body, "messages": messages}
        if not call.request.stream and collects(spoken, model, target.offer.offer.upstream_model, body):
            body = {**body, "stream": True}
        outgoing = upstream_body(spoken, model, target.offer.offer, body, limit=wish.limit)
        warnings = (*outgoing.warnings, LOST_WARNING) if lost else outgoing.warnings
        return Target(target.offer, target.key, outgoing.body, warnings, target.why)

    def continuing(self, target: Target, wish: Wish) -> Target:
        """Return the target with the body for the rest of an answer, and the path that takes it.

        Raises:
            InvalidRequestError: the provider cannot do what a parameter asks.

        """
        made = self.prepared(target, wish)
        setup = target.offer.provider
        return made._replace(path=continued_path(dialect(setup.dialect), self._peer(setup).base_path))

    def limited(self, target: Target, call: Call, limit: int) -> Target:
        """Return the target with an output limit in its body, under the name that its provider takes."""
        name = limit_name(dialect(target.offer.provider.dialect), call.request.body, limit).name
        return target._replace(body={**target.body, name: limit})

    def remember(self, call: Call, tool_call_ids: Sequence[str], reasoning: str) -> None:
        """Keep the thinking that led to tool calls, for the turn that will answer them."""
        if tool_call_ids and reasoning:
            self._reasoning.remember(call.caller.account.id, tool_call_ids, reasoning, self._clock.monotonic())

    def failed(self, target: Target, failure: Failure) -> None:
        """Note a failure; what is at fault rests."""
        self.pools.breakers.failed(
            (target.offer.offer.id, target.key.id), failure.kind, self._clock.monotonic(), failure.retry_after_s
        )

    def succeeded(self, target: Target, ttft_ms: int | None, began: float) -> None:
        """Note that an attempt that ``began`` then was answered, and how soon the first content came."""
        self.pools.breakers.succeeded(target.offer.offer.id, target.key.id, ttft_ms, began)

    def abandoned(self, target: Target) -> None:
        """Note that an attempt ended before it said anything about the provider: the client left."""
        self.pools.breakers.abandoned((target.offer.offer.id, target.key.id))

    async def close(self) -> None:
        """Close every upstream connection."""
        await self._client.close()
