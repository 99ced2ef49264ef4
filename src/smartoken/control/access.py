"""Who is calling, and whether the route may be used: every route names its permission, the others are denied."""

from typing import Annotated, Any

from fastapi import Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from smartoken.control.resources import Control
from smartoken.errors import InvalidApiKeyError, PermissionDeniedError
from smartoken.identity.keys import digest, well_formed_token
from smartoken.operations import idempotency, tokens
from smartoken.operations.office import Work
from smartoken.operations.rights import Actor, Permission, demand

SCHEME = HTTPBearer(auto_error=False, scheme_name="bearer", description="An admin token")
CONTROL = "smartoken.control"  # in a request's scope
_REMEDY = "Send `Authorization: Bearer ...` with SMARTOKEN_ADMIN_TOKEN, or use the `smartoken` commands."


def control_of(request: Request) -> Control:
    """Return the resources over which a request is answered."""
    control: Control = request.scope[CONTROL]
    return control


async def current_work(
    request: Request,
    scopes: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(SCHEME)],
) -> Work:
    """Return the frame of the operation that this request asks for.

    Raises:
        InvalidApiKeyError: no token, or one that nobody has.
        PermissionDeniedError: the actor lacks the route's permission, or the route names none.

    """
    control = control_of(request)
    actor = await _actor_of(control, credentials.credentials) if credentials is not None else None
    if actor is None:
        raise InvalidApiKeyError("This needs an admin token or a member's session.", remedy=_REMEDY)
    if not scopes.scopes:
        raise PermissionDeniedError("This route is not open to anybody.")
    for name in scopes.scopes:
        demand(actor, Permission(name))
    return control.office.work(actor, request.client.host if request.client is not None else None)


async def _actor_of(control: Control, text: str) -> Actor | None:
    """Return whose token a text is: one of this process, or one that is stored; garbage never reaches the database."""
    known = control.identify(text)
    if known is not None or not well_formed_token(text):
        return known
    office = control.office
    return await office.db.read(tokens.actor_of, digest(office.pepper, text), office.clock.now_ns() // 1_000_000)


async def asked_once(
    request: Request, idempotency_key: Annotated[str | None, Header(description="new for each new request")] = None
) -> idempotency.Asked:
    """Return what identifies a request that moves money, by its header ``Idempotency-Key``.

    Raises:
        InvalidRequestError: the header is absent or malformed.

    """
    return idempotency.asked(idempotency_key, request.method, request.url.path, await request.body())


def permitted(permission: Permission) -> Any:
    """Return the dependency of a route that needs this permission; OpenAPI shows it as the route's scope."""
    return Security(current_work, scopes=[permission.value])
