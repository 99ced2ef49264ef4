"""What breakers did: told between workers through the store, and shown to operators. Keys are shown by name."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from smartoken.operations import audit, route_queries
from smartoken.operations.directory import Directory
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.routing.breakers import Row, State, Transition

KEPT_MS = 24 * 3_600_000
_SHOWN = 500
_FOLLOWED_MS = 15 * 60_000  # no rest that others must know of is older


def publish(conn: Connection, rows: Sequence[Mapping[str, Any]], now_ms: int) -> None:
    """Tell other workers what this one saw; what is older than a day goes."""
    route_queries.add_breaker_events(conn, rows, now_ms - KEPT_MS)


def row_of(change: Transition, event_id: str, worker: str, now_ms: int) -> dict[str, Any]:
    """Return a transition as it is stored."""
    return {
        "id": event_id,
        "created_ms": now_ms,
        "worker": worker,
        "offer": change.offer,
        "key_id": change.key,
        "state": change.state.value,
        "cause": change.cause,
        "wait_ms": int(change.wait_s * 1000),
    }


def since(conn: Connection, since_ms: int, worker: str, now_ms: int) -> list[tuple[str, int, Transition]]:
    """Return (id, when, what) of other workers since an instant, oldest first; nothing that is over for long."""
    found = route_queries.breaker_events_since(conn, max(since_ms, now_ms - _FOLLOWED_MS), worker)
    return [
        (
            each["id"],
            each["created_ms"],
            Transition(each["offer"], each["key_id"], State(each["state"]), each["cause"], each["wait_ms"] / 1000),
        )
        for each in found
    ]


def key_names(directory: Directory) -> dict[str, str]:
    """Return what keys of providers are called, by id: ``provider/name``."""
    return {key.id: f"{setup.id}/{key.name}" for setup in directory.providers.values() for key in setup.keys}


def shown_breakers(directory: Directory, work: Work, found: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what rests, as it is shown.

    Raises:
        PermissionDeniedError: the actor may not see routes.

    """
    demand(work.actor, Permission.ROUTES_READ)
    names = key_names(directory)
    return [
        {
            "offer": each.offer or None,
            "key": names.get(each.key, each.key),
            "state": each.state.value,
            "key_state": each.key_state.value,
            "cause": each.cause,
            "back_in_s": round(each.wait_s, 1),
        }
        for each in sorted(found)
    ]


def page(conn: Connection, work: Work, directory: Directory, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return transitions, newest first."""
    demand(work.actor, Permission.ROUTES_READ)
    names = key_names(directory)
    return [
        {
            "id": each["id"],
            "at": instant_text(each["created_ms"]),
            "worker": each["worker"],
            "offer": each["offer"] or None,
            "key": names.get(each["key_id"], each["key_id"]),
            "state": each["state"],
            "cause": each["cause"],
            "open_s": each["wait_ms"] / 1000,
        }
        for each in route_queries.breaker_events_page(conn, after, limit)
    ]


def of_the_day(conn: Connection) -> list[dict[str, Any]]:
    """Return the newest transitions for the public status page, which shows them without keys."""
    return route_queries.breaker_events_page(conn, None, _SHOWN)


def note_key_test(conn: Connection, work: Work, found: Mapping[str, Any]) -> None:
    """Write into the audit log that a provider's key was tested, and how it went."""
    demand(work.actor, Permission.DRILLS_WRITE)
    shown = {name: found[name] for name in ("offer", "ok", "failure", "total_ms")}
    audit.append(
        conn, work, audit.Entry("provider_key.test", f"provider:{found['provider']}/{found['key']}", None, shown)
    )
