"""Routes: drafted, compared, published and undone; what they say of a call that is only imagined.

A draft is free to change. Published, it never changes: another publication replaces it, and undoing publishes what
stood before. Every step is audited. Without a publication a model goes by the tiers and shares of the set-up.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, ModelNotFoundError
from smartoken.operations import audit, queries, route_queries, route_words
from smartoken.operations.directory import Directory
from smartoken.operations.office import Work
from smartoken.operations.publications import PUBLISHED, Row, Shelf, note_of, published
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.store import revisions
from smartoken.store.route_tables import route_publications


def _at(ms: int | None) -> str | None:
    return None if ms is None else instant_text(ms)


def shown(row: Row) -> dict[str, Any]:
    """Return a publication or draft as the API shows it; ``route`` null takes the model's route back."""
    return {
        "id": row["id"],
        "model": row["model"],
        "state": row["state"],
        "route": row["definition"],
        "note": row["note"],
        "undoes": row["undoes"],
        "created_at": instant_text(row["created_ms"]),
        "created_by": row["created_by"],
        "published_at": _at(row["published_ms"]),
        "published_by": row["published_by"],
    }


SHELF = Shelf(
    "route", route_publications, route_queries.publication, shown, Permission.ROUTES_READ, Permission.ROUTES_WRITE
)
one, drop = SHELF.one, SHELF.drop


def _model_of(directory: Directory, asked: str) -> str:
    """Return the lower-case id of a model that is served here."""
    name = asked.strip().lower()
    if name not in directory.models:
        raise ModelNotFoundError(f"There is no model `{asked[:100]}` here.", param="model")
    return name


def _checked(directory: Directory, model: str, definition: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a definition, whole; every offer must be one of the model's that is set up here."""
    if definition is None:
        return None
    route = route_words.read(model, definition)
    own = {each.offer.id for each in directory.models[model].offers}
    for number, tier in enumerate(route.tiers):
        for share in tier.shares:
            if share.offer not in own:
                listed = ", ".join(sorted(own)) or "none that is set up"
                where = f"tiers[{number}].offers"
                raise InvalidRequestError(
                    f"`{where}`: {share.offer[:100]} is no offer of {model}; it has {listed}.", param=where
                )
    return route_words.written(route)


def current(directory: Directory, work: Work, model: str | None) -> list[dict[str, Any]]:
    """Return the routes in force, by model; of one model or of all that can be called.

    Raises:
        ModelNotFoundError: there is no such model.

    """
    demand(work.actor, Permission.ROUTES_READ)
    if model is None:
        wanted = [name for name, served in directory.models.items() if served.offers or name in directory.routes]
    else:
        wanted = [_model_of(directory, model)]
    return [_in_force(directory, name) for name in sorted(wanted)]


def _in_force(directory: Directory, name: str) -> dict[str, Any]:
    lane = directory.lane(directory.models[name])
    return {
        "model": directory.models[name].model.id,
        "origin": lane.route.origin,
        "route": route_words.written(lane.route),
        "not_set_up": sorted(
            share.offer for tier in lane.route.tiers for share in tier.shares if share.offer not in lane.candidates
        ),
    }


def page(conn: Connection, work: Work, place: tuple[str | None, int], model: str | None) -> list[dict[str, Any]]:
    """Return publications and drafts, newest first; ``place`` is (after, limit)."""
    demand(work.actor, Permission.ROUTES_READ)
    wanted = model.lower() if model is not None else None
    return [shown(each) for each in route_queries.publications_page(conn, *place, wanted)]


def draft(conn: Connection, work: Work, directory: Directory, wanted: Row) -> dict[str, Any]:
    """Make a draft of a model's route; a route of null goes back to the set-up's tiers and shares.

    Raises:
        InvalidRequestError, ModelNotFoundError: a field is wrong, or names what is not here.

    """
    demand(work.actor, Permission.ROUTES_WRITE)
    model = _model_of(directory, wanted["model"])
    definition = _checked(directory, model, wanted["route"])
    row = SHELF.fresh(work, note_of(wanted)) | {"model": model, "definition": definition, "number": None}
    return SHELF.add(conn, work, row, "draft")


def change(conn: Connection, work: Work, directory: Directory, publication_id: str, wanted: Row) -> dict[str, Any]:
    """Change a draft; what is not named stays.

    Raises:
        InvalidRequestError: a field is wrong, or it is published.

    """
    row = SHELF.to_write(conn, work, publication_id)
    changes: dict[str, Any] = {}
    if "route" in wanted:
        changes["definition"] = _checked(directory, _model_of(directory, row["model"]), wanted["route"])
    if "note" in wanted:
        changes["note"] = note_of(wanted)
    return SHELF.amend(conn, work, row, changes)


def diff(conn: Connection, work: Work, directory: Directory, publication_id: str) -> dict[str, Any]:
    """Return what publishing a draft would change, field by field.

    Raises:
        ModelNotFoundError: the model is gone.

    """
    demand(work.actor, Permission.ROUTES_READ)
    row = SHELF.row_of(conn, publication_id)
    model = _model_of(directory, row["model"])
    before = route_words.written(directory.lane(directory.models[model]).route)
    after = row["definition"] or route_words.written(directory.lane_of_setup(directory.models[model]).route)
    old, new = _flat(before), _flat(after)
    changed = [
        {"name": name, "before": old.get(name), "after": new.get(name)}
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    return {"id": publication_id, "model": row["model"], "changes": changed, "before": before, "after": after}


def _flat(definition: Row) -> dict[str, Any]:
    """Return a definition as plain fields; an offer's share is named by priority and offer."""
    found: dict[str, Any] = {}
    for number, tier in enumerate(definition["tiers"], 1):
        found[f"priority {number}: strategy"] = tier["strategy"]
        found.update({f"priority {number}: {name}": value for name, value in tier["when"].items() if value})
        found.update({f"priority {number}: share of {each['offer']}": each["share"] for each in tier["offers"]})
    found.update({f"option {name}": value for name, value in definition["options"].items()})
    return found


def publish(conn: Connection, work: Work, directory: Directory, publication_id: str) -> dict[str, Any]:
    """Publish a draft; calls that begin from now on go by it, within two seconds in every worker.

    Raises:
        InvalidRequestError: it is published already, or names offers that are gone.

    """
    row = SHELF.to_write(conn, work, publication_id)
    _checked(directory, _model_of(directory, row["model"]), row["definition"])
    return _publish(conn, work, row)


def _publish(conn: Connection, work: Work, row: Row) -> dict[str, Any]:
    earlier = route_queries.published(conn, row["model"])
    before = earlier[-1]["definition"] if earlier else None
    changes = {"number": route_queries.next_number(conn), **published(work)}
    queries.update(conn, route_publications, {"id": row["id"]}, changes)
    revisions.bump(conn)
    after = shown({**row, **changes})
    standing = {"model": row["model"], "route": before}
    audit.append(conn, work, SHELF.entry("publish", row["id"], standing, after))
    return after


def take_back(conn: Connection, work: Work, publication_id: str) -> dict[str, Any]:
    """Publish what stood before a publication.

    Raises:
        InvalidRequestError: it is a draft, or a later publication of the model already replaced it.

    """
    row = SHELF.to_write(conn, work, publication_id, PUBLISHED)
    history = route_queries.published(conn, row["model"])
    if history[-1]["id"] != publication_id:
        raise InvalidRequestError(
            f"{publication_id} is no longer in force: {history[-1]['id']} is. Undo that one.", param="id"
        )
    again = SHELF.fresh(work, f"undoes {publication_id}", publication_id)
    again |= {"model": row["model"], "definition": history[-2]["definition"] if len(history) > 1 else None}
    again["number"] = None
    queries.insert(conn, route_publications, again)
    return _publish(conn, work, again)
