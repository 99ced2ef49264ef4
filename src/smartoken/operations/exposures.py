"""Keys that were seen where others can read them: in a URL, a ticket, a text that was scanned.

Such a key goes on working, since stopping a program without a word is worse than telling its owner; it is shown as
``exposed``, its owner gets an event, and one rotation ends it. The text in which it stood is stored without the key.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from smartoken.identity import queries as identity
from smartoken.identity.keys import digest, found_in, without_keys
from smartoken.operations import audit, events, fields, queries
from smartoken.operations.office import Work
from smartoken.store import access_queries
from smartoken.store.access_tables import key_exposures
from smartoken.store.schema import api_key_secrets


def expose(conn: Connection, work: Work, key_id: str, place: str) -> bool:
    """Note that a key was seen somewhere; false if that place is known already, or the key is no more in service."""
    row = identity.key_by_id(conn, None, key_id)
    if row is None or row["status"] == "revoked":
        return False
    place = without_keys(fields.text(place, "where", 300))
    if any(each["place"] == place for each in access_queries.open_exposures(conn, [key_id])):
        return False
    seen = {"id": work.id("seen"), "key_id": key_id, "place": place, "created_ms": work.now_ms, "cleared_ms": None}
    queries.insert(conn, key_exposures, seen)
    facts = {"key": row["name"], "where": place, "remedy": f"POST /api/v1/keys/{key_id}/rotate"}
    events.tell(conn, work, events.Event("key.exposed", f"key:{key_id}", row["account_id"], facts))
    audit.append(conn, work, audit.Entry("key.expose", f"key:{key_id}", None, {"where": place}))
    return True


def scan(conn: Connection, work: Work, text: str, place: str) -> list[str]:
    """Mark every key of this gateway that stands in a text as exposed; returns the ids of the keys found.

    A secret that was rotated out and no longer works exposes nothing.
    """
    exposed: list[str] = []
    for each in found_in(text):
        for secret in queries.rows(conn, api_key_secrets, digest=digest(work.pepper, each)):
            ended = secret["valid_until_ms"]
            if ended is None or ended > work.now_ms:
                expose(conn, work, secret["key_id"], place)
                exposed.append(secret["key_id"])
    return exposed


def cleaned(conn: Connection, work: Work, text: str, param: str, most: int) -> str:
    """Return a text that a person sent, fit to be kept: checked, and without keys, which count as exposed."""
    scan(conn, work, text, f"a request's `{param}`")
    return fields.text(without_keys(text), param, most)


def shown(conn: Connection, key_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return where keys were last seen that were not rotated since."""
    return {each["key_id"]: each for each in access_queries.open_exposures(conn, key_ids)}
