"""The control plane as one ASGI callable: routes, the one shape of errors, and the guards around them.

The guards are plain ASGI, before any routing: a request id, the Host allowlist, a limit on the body. The framework's
own error texts never leave: every error has the shape of ``errors.error_body``.
"""

import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from smartoken import __version__
from smartoken.control import admin, calls, campaigns, drills, keys, prices, reconcile, routes, staff, wallet
from smartoken.control.access import CONTROL, control_of
from smartoken.control.malformed import malformed
from smartoken.control.resources import Control
from smartoken.errors import (
    InternalError,
    InvalidRequestError,
    LedgerUnavailableError,
    MethodNotAllowedError,
    NotFoundError,
    RequestTooLargeError,
    SmartokenError,
    error_body,
)
from smartoken.ids import ENTROPY_BYTES, new_id
from smartoken.store.database import StoreUnavailableError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = "/api/v1"
MAX_BODY_BYTES = 8 * 1024 * 1024
_MALFORMED, _METHOD = 400, 405
_AWAY_S = 5.0
_READS = ("GET", "HEAD", "OPTIONS")
_TOO_LARGE = "smartoken.too_large"  # the framework turns an error while reading the body into one of its own
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_logger = logging.getLogger(__name__)


def routed() -> FastAPI:
    """Return the routes of the control plane, over no resources yet; requests bring theirs along."""
    app = FastAPI(
        title="SmarToken control API",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for each in (keys, calls, admin, wallet, staff, campaigns, prices, reconcile, routes, drills):
        app.include_router(each.router, prefix=PREFIX)
    app.add_exception_handler(SmartokenError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(StoreUnavailableError, _away)
    app.add_exception_handler(Exception, _failed)
    return app


def build(control: Control, app: FastAPI | None = None) -> "Guard":
    """Return the control plane over its resources; ``app`` is given where several planes share their routes."""
    return Guard(routed() if app is None else app, control)


def _answer(request: Request, error: SmartokenError) -> Response:
    return rendered(error, request.scope["smartoken.request_id"], control_of(request).docs_url)


def rendered(error: SmartokenError, request_id: str, docs_url: str) -> Response:
    """Return an error as the answer to a request."""
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    body = orjson.dumps(error_body(error, request_id, docs_url))
    return Response(body, error.status, headers, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    return _answer(request, error if isinstance(error, SmartokenError) else InternalError("The gateway failed."))


async def _away(request: Request, error: Exception) -> Response:
    """Say that the database does not answer; whether a request that writes took effect, its repetition tells."""
    return _answer(request, LedgerUnavailableError(f"{error}", retry_after_s=_AWAY_S))


async def _failed(request: Request, _error: Exception) -> Response:
    """Answer in our shape; the framework raises the error again afterwards, and the guard logs it."""
    return _answer(request, InternalError("The gateway failed to answer."))


async def _malformed(request: Request, error: Exception) -> Response:
    """Name the first field that is wrong."""
    return _answer(request, malformed(error.errors() if isinstance(error, RequestValidationError) else ()))


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.scope["path"][:100]
    if request.scope.get(_TOO_LARGE):
        return _answer(request, RequestTooLargeError(f"The body is over {MAX_BODY_BYTES} bytes."))
    if status == _MALFORMED:
        return _answer(request, InvalidRequestError("The body cannot be read."))
    if status == _METHOD:
        return _answer(request, MethodNotAllowedError(f"{path} does not take {request.method[:20]}."))
    return _answer(request, NotFoundError(f"There is no {path} here.", remedy="See /api/openapi.json."))


class Guard:
    """What every request passes before it is routed."""

    def __init__(self, app: FastAPI, control: Control) -> None:
        self._app = app
        self._control = control

    def openapi(self) -> dict[str, Any]:
        """Return the description of every route, as ``/api/openapi.json`` answers it."""
        return self._app.openapi()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        office = self._control.office
        request_id = new_id("call", office.clock.now_ns(), office.entropy(ENTROPY_BYTES)).replace("call_", "req_")
        scope["smartoken.request_id"], scope[CONTROL] = request_id, self._control
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                if scope["method"] not in _READS and message["status"] < _MALFORMED:
                    await self._show_change()
                begun = True
                own = [
                    (b"x-request-id", request_id.encode()),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                ]
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        try:
            self._check_host(scope)
            self._check_target(scope)
            await self._app(scope, _bounded(receive, scope), answer)
        except Exception as error:  # the process edge: nothing of ours may escape as a stack trace
            if begun:
                _logger.exception("request %s failed", request_id)
                return
            await rendered(self._public(error, request_id), request_id, self._control.docs_url)(scope, receive, answer)

    async def _show_change(self) -> None:
        """Let this worker know what changed, so that whoever reads the answer can rely on it; others follow in 2 s."""
        try:
            await self._control.directory.refresh()
            if self._control.changed is not None:
                await self._control.changed()
        except Exception:  # the change is stored; the worker's own look-out takes it over later
            _logger.exception("a change is stored, but this worker could not take it over at once")

    def _check_target(self, scope: Scope) -> None:
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise InvalidRequestError("The address holds a NUL, which no name has here.")

    def _check_host(self, scope: Scope) -> None:
        allowed = self._control.hosts
        named = [value for name, value in scope["headers"] if name == b"host"]
        host = named[0].decode("latin-1").lower() if len(named) == 1 else ""
        match = _HOST.fullmatch(host)
        if match is None or (allowed is not None and match[1] not in allowed):
            raise InvalidRequestError(
                "This host name is not served here.",
                param="host",
                remedy="Set SMARTOKEN_PUBLIC_URL to the address that clients use.",
            )

    def _public(self, error: Exception, request_id: str) -> SmartokenError:
        if isinstance(error, SmartokenError):
            return error
        _logger.error("request %s failed", request_id, exc_info=error)
        return InternalError("The gateway failed to answer.")


def _bounded(receive: Receive, scope: Scope) -> Receive:
    """Count the body's bytes as they come, whatever its Content-Length says; the scope says when they are too many."""
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        with suppress(KeyError):
            read += len(message["body"])
        if read > MAX_BODY_BYTES:
            scope[_TOO_LARGE] = True
            raise RequestTooLargeError(f"The body is over {MAX_BODY_BYTES} bytes.")
        return message

    return counted
