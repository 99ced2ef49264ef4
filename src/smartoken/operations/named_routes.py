"""Named routes: an account's ``@support-replies`` stands for a model and its fallbacks, so a switch needs no deploy.

Versions are kept; undoing puts back the version before. A name is the account's own: others do not see it.
"""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.operations import audit, queries, route_queries
from smartoken.operations.accounts import account_id_of
from smartoken.operations.directory import Directory
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission
from smartoken.operations.setup_accounts import instant_text
from smartoken.store import revisions
from smartoken.store.route_tables import named_routes

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
MOST_FALLBACKS = 4
Row = Mapping[str, Any]


def plain_name(name: str) -> str:
    """Return a name without its @.

    Raises:
        InvalidRequestError: it is no name.

    """
    found = name.removeprefix("@").lower()
    if not NAME.fullmatch(found):
        raise InvalidRequestError(
            "`name` must be lower-case letters, digits, dots, hyphens and underscores, at most 63.", param="name"
        )
    return found


def _shown(row: Row) -> dict[str, Any]:
    definition = row["definition"] or {"model": None, "fallbacks": []}
    return {
        "name": f"@{row['name']}",
        "account_id": row["account_id"],
        "version": row["number"],
        **definition,
        "changed_at": instant_text(row["created_ms"]),
        "changed_by": row["created_by"],
    }


def _account(conn: Connection, work: Work, permission: Permission, account: str | None) -> str:
    """Return the account that is meant: a member's own, else the one that is named."""
    found = account_id_of(conn, work, permission, account)
    if found is None:
        raise InvalidRequestError("`account` must name the account whose routes are meant.", param="account")
    return found


def listed(conn: Connection, work: Work, account: str | None) -> list[dict[str, Any]]:
    """Return an account's named routes; those of all accounts to the staff, when none is named."""
    found = account_id_of(conn, work, Permission.KEYS_READ, account)
    return [_shown(each) for each in route_queries.named(conn, found) if each["definition"] is not None]


def history(conn: Connection, work: Work, name: str, account: str | None) -> list[dict[str, Any]]:
    """Return the versions of a named route, newest first.

    Raises:
        NotFoundError: the account never had it.

    """
    owner = _account(conn, work, Permission.KEYS_READ, account)
    found = route_queries.versions_of(conn, owner, plain_name(name))
    if not found:
        raise NotFoundError(f"This account has no route @{plain_name(name)}.", param="name")
    return [_shown(each) for each in found]


def _known(directory: Directory, asked: Any, param: str) -> str:
    """Return the id of a model or alias that exists here; a name never leads to another name."""
    name = str(asked).strip().lower()
    if name in directory.models:
        return directory.models[name].model.id
    if name in directory.aliases:
        return directory.models[directory.aliases[name].model.lower()].model.id
    raise InvalidRequestError(f"`{param}`: there is no model `{str(asked)[:100]}` here.", param=param)


def put(conn: Connection, work: Work, directory: Directory, name: str, wanted: Row) -> dict[str, Any]:
    """Make a named route, or let it stand for something else from now on.

    Raises:
        InvalidRequestError: the name is no name, or a model is not here.

    """
    owner, plain = _account(conn, work, Permission.KEYS_WRITE, wanted.get("account")), plain_name(name)
    model = _known(directory, wanted["model"], "model")
    fallbacks = [_known(directory, each, "fallbacks") for each in wanted.get("fallbacks") or ()]
    if len(fallbacks) > MOST_FALLBACKS or len({model, *fallbacks}) != len(fallbacks) + 1:
        raise InvalidRequestError(
            f"`fallbacks` must be at most {MOST_FALLBACKS} models, each once and none the default.", param="fallbacks"
        )
    return _add(conn, work, (owner, plain), {"model": model, "fallbacks": fallbacks})


def _add(
    conn: Connection, work: Work, place: tuple[str, str], definition: Row | None, action: str = "named_route.set"
) -> dict[str, Any]:
    queries.lock_changes(conn)
    owner, name = place
    earlier = route_queries.versions_of(conn, owner, name)
    before = earlier[0] if earlier else None
    row = {
        "account_id": owner,
        "name": name,
        "number": (before["number"] if before is not None else 0) + 1,
        "definition": dict(definition) if definition is not None else None,
        "created_ms": work.now_ms,
        "created_by": work.actor.name,
    }
    if before is not None and before["definition"] == row["definition"]:
        return _shown(before)
    queries.insert(conn, named_routes, row)
    revisions.bump(conn)
    shown = _shown(row)
    old = _shown(before) if before is not None else None
    audit.append(conn, work, audit.Entry(action, f"named_route:{owner}/{name}", old, shown))
    return shown


def remove(conn: Connection, work: Work, name: str, account: str | None) -> None:
    """Take a named route away; calls to it are refused from then on, undoing brings it back.

    Raises:
        NotFoundError: the account has no such route.

    """
    owner, plain = _account(conn, work, Permission.KEYS_WRITE, account), plain_name(name)
    earlier = route_queries.versions_of(conn, owner, plain)
    if not earlier or earlier[0]["definition"] is None:
        raise NotFoundError(f"This account has no route @{plain}.", param="name")
    _add(conn, work, (owner, plain), None, "named_route.remove")


def take_back(conn: Connection, work: Work, name: str, account: str | None) -> dict[str, Any]:
    """Put back what the name stood for before its last change.

    Raises:
        NotFoundError: the account never had it.
        InvalidRequestError: there is nothing before it.

    """
    owner, plain = _account(conn, work, Permission.KEYS_WRITE, account), plain_name(name)
    earlier = route_queries.versions_of(conn, owner, plain)
    if not earlier:
        raise NotFoundError(f"This account has no route @{plain}.", param="name")
    if len(earlier) == 1:
        raise InvalidRequestError(f"@{plain} was never changed; remove it instead.", param="name")
    return _add(conn, work, (owner, plain), earlier[1]["definition"], "named_route.undo")
