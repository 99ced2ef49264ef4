"""Step 0: the data plane's own ASGI application: a dictionary of paths, nothing between the server and the pipeline.

Frameworks cost more per call than the whole pipeline (docs/decisions/0003-hot-path.md), so ``/v1`` has none. Every
answer carries ``x-request-id``; every error has the one shape of ``errors.error_body``.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, unquote

import orjson

from smartoken.errors import (
    EndpointNotSupportedError,
    InternalError,
    MethodNotAllowedError,
    PermissionDeniedError,
    SmartokenError,
)
from smartoken.gateway.cors import preflight_headers
from smartoken.gateway.estimate import estimate
from smartoken.gateway.metrics import exposition
from smartoken.gateway.pipeline import chat, identify, refuse
from smartoken.gateway.reads import key_budget, list_models, one_call, one_model, shown_key
from smartoken.gateway.reply import Receive, Reply, Scope, Send
from smartoken.gateway.request import ClientLeftError, Request, token_matches
from smartoken.gateway.resources import Gateway
from smartoken.identity.facts import Caller
from smartoken.store.database import StoreUnavailableError

_logger = logging.getLogger(__name__)
Handler = Callable[[Gateway, Request, Reply], Awaitable[None]]
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_LOOPBACK_NAME = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?", re.IGNORECASE)


async def _json(reply: Reply, value: object) -> None:
    await reply.whole(200, orjson.dumps(value))


async def _maybe_caller(gateway: Gateway, request: Request, reply: Reply) -> Caller | None:
    """Identify the caller if a key was sent; a wrong key is refused, none at all is a stranger."""
    if request.authorization is None and request.x_api_key is None:
        return None
    return await identify(gateway, request, reply)


async def _models(gateway: Gateway, request: Request, reply: Reply) -> None:
    caller = await _maybe_caller(gateway, request, reply)
    whole = parse_qs(request.query.decode("latin-1")).get("all") == ["1"]
    await _json(reply, list_models(gateway.directory.current, caller, whole_catalog=whole))


async def _model(gateway: Gateway, request: Request, reply: Reply) -> None:
    caller = await _maybe_caller(gateway, request, reply)
    await _json(reply, one_model(gateway.directory.current, caller, unquote(request.path[len("/v1/models/") :])))


async def _key(gateway: Gateway, request: Request, reply: Reply) -> None:
    caller = await identify(gateway, request, reply)
    await _json(reply, shown_key(caller.key, await key_budget(gateway, caller)))


async def _call(gateway: Gateway, request: Request, reply: Reply) -> None:
    caller = await identify(gateway, request, reply)
    await _json(reply, await one_call(gateway, caller, request.path[len("/v1/calls/") :]))


async def _estimate(gateway: Gateway, request: Request, reply: Reply) -> None:
    caller = await identify(gateway, request, reply)
    await _json(reply, await estimate(gateway, request, caller))


async def _healthz(_gateway: Gateway, _request: Request, reply: Reply) -> None:
    await _json(reply, {"status": "ok"})


async def _readyz(gateway: Gateway, _request: Request, reply: Reply) -> None:
    reason = gateway.not_ready()
    if reason is None:
        await _json(reply, {"status": "ready"})
    else:
        await reply.whole(503, orjson.dumps({"status": "not ready", "reason": reason}))


async def _drifts(gateway: Gateway) -> int:
    """Return what the checks of the books found; a store that does not answer keeps no other figure from the reader."""
    try:
        return await gateway.book_drifts()
    except StoreUnavailableError:
        return -1


async def _metrics(gateway: Gateway, request: Request, reply: Reply) -> None:
    # A page whose name was made to lead here is not from here.
    here = request.host is None or _LOOPBACK_NAME.fullmatch(request.host) is not None
    if request.forwarded is not None or request.peer not in _LOOPBACK or not here:
        token = gateway.metrics_token
        if token is None or not token_matches(request.authorization, token):
            raise PermissionDeniedError("/metrics answers on loopback, or with SMARTOKEN_METRICS_TOKEN as bearer.")
    gauges = {"smartoken_records_waiting": gateway.settler.waiting, "smartoken_books_drifts": await _drifts(gateway)}
    own = gateway.metrics.snapshot(gauges)
    await reply.text(exposition(gateway.all_snapshots(own)))


ROUTES: dict[str, dict[str, Handler]] = {
    "/v1/chat/completions": {"POST": chat},
    "/v1/models": {"GET": _models, "HEAD": _models},
    "/v1/estimate": {"POST": _estimate},
    "/v1/key": {"GET": _key, "HEAD": _key},
    "/healthz": {"GET": _healthz, "HEAD": _healthz},
    "/readyz": {"GET": _readyz, "HEAD": _readyz},
    "/metrics": {"GET": _metrics, "HEAD": _metrics},
}
PREFIXES: dict[str, dict[str, Handler]] = {
    "/v1/models/": {"GET": _model, "HEAD": _model},
    "/v1/calls/": {"GET": _call, "HEAD": _call},
}


def _no_such(request: Request, handlers: dict[str, Handler] | None, reply: Reply) -> SmartokenError:
    """Return the error for a path that does not exist, or a method that it does not take."""
    if handlers is None:
        return EndpointNotSupportedError(f"There is no {request.method} {request.path[:100]} here.")
    reply.headers.append((b"allow", ", ".join(sorted(handlers)).encode()))
    return MethodNotAllowedError(f"{request.path} takes {' or '.join(sorted(handlers))}.")


class GatewayApp:
    """The ASGI callable of ``/v1``, ``/healthz``, ``/readyz`` and ``/metrics``."""

    __slots__ = ("_gateway",)

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def serves(self, path: str) -> bool:
        """Whether a path belongs to the data plane."""
        return path in ROUTES or path.startswith("/v1/") or path == "/v1"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        reply = Reply(send, scope.get("smartoken.door"))
        scope["smartoken.left"] = reply.left  # the server's connection calls it when the client goes (server.py)
        request = Request(scope, receive)
        gateway = self._gateway
        if scope["query_string"] and gateway.notice_query is not None:
            gateway.notice_query(scope["query_string"])
        handlers = ROUTES.get(request.path)
        if handlers is None:
            handlers = next((found for prefix, found in PREFIXES.items() if request.path.startswith(prefix)), None)
        handler = handlers.get(request.method) if handlers is not None else None
        if handler is chat:  # the hot path: it gives itself an id and catches its own errors
            await chat(gateway, request, reply)
            return
        request_id = gateway.new_call_id()
        reply.headers.append((b"x-request-id", request_id.encode()))
        try:
            if handler is not None:
                await handler(gateway, request, reply)
            elif handlers is not None and request.method == "OPTIONS":
                reply.headers.extend(preflight_headers(request.origin, gateway.directory.current.origins))
                await reply.empty(204)
            else:
                await refuse(gateway, reply, request_id, _no_such(request, handlers, reply))
        except SmartokenError as error:
            await refuse(gateway, reply, request_id, error)
        except ClientLeftError:
            return
        except Exception:  # the process edge: nothing of ours may escape as a stack trace
            _logger.exception("request %s failed", request_id)
            await refuse(gateway, reply, request_id, InternalError("The gateway failed to answer."))
