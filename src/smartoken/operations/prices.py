"""The price book: drafts, what they would change, publication from a time, undoing, versions and history.

A draft is free to change. Published, it never changes and never counts from before its publication; what it set is
undone by another publication. Every step is audited.
"""

from typing import Any

from sqlalchemy import Connection

from smartoken.billing.price_book import Contents, undo
from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.operations import audit, fields, price_queries, price_words, queries
from smartoken.operations.directory import Directory
from smartoken.operations.office import Work
from smartoken.operations.price_store import publication_of, stored_publications
from smartoken.operations.price_versions import SELL, STANDARD
from smartoken.operations.publications import PUBLISHED, Row, Shelf, note_of, published
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.setup_prices import written
from smartoken.store import revisions
from smartoken.store.price_tables import price_publications

_CHANGES = 100


def _at(ms: int | None) -> str | None:
    return None if ms is None else instant_text(ms)


def shown(row: Row) -> dict[str, Any]:
    """Return a publication or draft as the API shows it."""
    return {
        "id": row["id"],
        "state": row["state"],
        "from": _at(row["from_ms"]),
        "note": row["note"],
        "undoes": row["undoes"],
        **price_words.shown(price_words.stored(row["contents"])),
        "created_at": instant_text(row["created_ms"]),
        "created_by": row["created_by"],
        "published_at": _at(row["published_ms"]),
        "published_by": row["published_by"],
    }


SHELF = Shelf(
    "price", price_publications, price_queries.publication, shown, Permission.PRICES_READ, Permission.PRICES_WRITE
)
one, drop = SHELF.one, SHELF.drop


def page(conn: Connection, work: Work, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return publications and drafts, newest first."""
    demand(work.actor, Permission.PRICES_READ)
    return [shown(each) for each in price_queries.publications_page(conn, after, limit)]


def _check_names(contents: Contents, directory: Directory) -> None:
    """Refuse models and offers that are not here: a misspelt name would be set and never count."""
    offers = {each.offer.id for served in directory.models.values() for each in served.offers}
    for name in contents.sell:
        if name not in directory.models:
            raise InvalidRequestError(f"`sell.{name}`: there is no such model here.", param=f"sell.{name}")
    for name in contents.cost:
        if name not in offers:
            raise InvalidRequestError(
                f"`cost.{name}`: no provider that is set up has this offer; GET /admin/models lists them.",
                param=f"cost.{name}",
            )
    for list_name, listed in contents.lists.items():
        for name in listed.models if listed is not None else ():
            begins = name.endswith("*") and any(each.startswith(name[:-1]) for each in directory.models)
            if name not in directory.models and not begins:
                where = f"lists.{list_name}.models.{name}"
                raise InvalidRequestError(f"`{where}`: no model here is called so.", param=where)


def _instant(text: str | None, work: Work) -> int | None:
    """Read from when a publication counts; nothing is back-dated."""
    if text is None:
        return None
    found = fields.instant(text, "from")
    if found < work.now_ms:
        raise InvalidRequestError(
            "`from` is in the past; prices are never back-dated.", param="from", remedy="Leave `from` out to begin now."
        )
    return found


def draft(conn: Connection, work: Work, directory: Directory, wanted: Row) -> dict[str, Any]:
    """Make a draft.

    Raises:
        InvalidRequestError: an entry is wrong, or names what is not here.

    """
    demand(work.actor, Permission.PRICES_WRITE)
    contents = price_words.read({name: wanted[name] for name in price_words.PARTS if wanted.get(name)})
    _check_names(contents, directory)
    row = SHELF.fresh(work, note_of(wanted), wanted.get("undoes"))
    row |= {"from_ms": _instant(wanted.get("from"), work), "contents": price_words.shown(contents)}
    return SHELF.add(conn, work, row, "draft")


def change(conn: Connection, work: Work, directory: Directory, publication_id: str, wanted: Row) -> dict[str, Any]:
    """Change a draft; what is not named stays.

    Raises:
        InvalidRequestError: an entry is wrong, or it is published.

    """
    row = SHELF.to_write(conn, work, publication_id)
    changes: dict[str, Any] = {}
    if any(name in wanted for name in price_words.PARTS):
        kept = {**row["contents"], **{name: wanted[name] for name in price_words.PARTS if name in wanted}}
        contents = price_words.read({name: each for name, each in kept.items() if each})
        _check_names(contents, directory)
        changes["contents"] = price_words.shown(contents)
    if "from" in wanted:
        changes["from_ms"] = _instant(wanted["from"], work)
    if "note" in wanted:
        changes["note"] = note_of(wanted)
    return SHELF.amend(conn, work, row, changes)


def publish(conn: Connection, work: Work, publication_id: str, start: str | None) -> dict[str, Any]:
    """Publish a draft from an instant on, by default that of the draft or now; never from before now.

    Raises:
        InvalidRequestError: it is published already, or would be back-dated.

    """
    row = SHELF.to_write(conn, work, publication_id)
    asked = _instant(start, work)
    if asked is None and row["from_ms"] is not None and row["from_ms"] < work.now_ms:
        raise InvalidRequestError(
            f"The draft's `from` {_at(row['from_ms'])} has passed; prices are never back-dated.", param="from"
        )
    from_ms = asked or row["from_ms"] or work.now_ms
    changes = {"from_ms": from_ms, **published(work)}
    queries.update(conn, price_publications, {"id": publication_id}, changes)
    revisions.bump(conn)
    after = shown({**row, **changes})
    audit.append(conn, work, SHELF.entry("publish", publication_id, None, after))
    return after


def take_back(conn: Connection, work: Work, publication_id: str) -> dict[str, Any]:
    """Publish what stood before a publication, from now, or from its own instant if that is still to come.

    Raises:
        InvalidRequestError: it is a draft, or later ones set everything that it set.

    """
    target = publication_of(SHELF.to_write(conn, work, publication_id, PUBLISHED))
    contents, left = undo(stored_publications(conn), target)
    if not contents.subjects():
        raise InvalidRequestError("Later publications set everything that this one set; undo those first.", param="id")
    words = f"; left as later ones set it: {', '.join(name for _, name in left)}" if left else ""
    row = SHELF.fresh(work, f"undoes {publication_id}{words}", publication_id) | published(work)
    row |= {"from_ms": max(work.now_ms, target.from_ms), "contents": price_words.shown(contents)}
    revisions.bump(conn)
    return SHELF.add(conn, work, row, "undo")


def current(directory: Directory, work: Work, price_list: str | None) -> list[dict[str, Any]]:
    """Return the price of every model that has one, now and at the next changes that are known.

    Raises:
        PermissionDeniedError: the actor may not see prices.

    """
    demand(work.actor, Permission.PRICES_READ)
    prices = directory.prices
    found = []
    for name, served in sorted(directory.models.items()):
        now = directory.sold(served, price_list, work.now_ms)
        later = [stage for stage in (prices.stages[1:] if prices is not None else ()) if stage.from_ms > work.now_ms]
        changes, last = [], now.price_version
        for stage in later:
            then = stage.sold(stage.models[name], price_list) if name in stage.models else now
            if then.price_version != last:
                changes.append({"from": _at(stage.from_ms), **_priced(then.price_version, then.price)})
                last = then.price_version
        if now.price is not None or changes:
            found.append(
                {"model": served.model.id, **_priced(now.price_version, now.price), "offers": len(now.offers),
                 "next": changes}
            )  # fmt: skip
    return found


def _priced(version: str, price: Any) -> dict[str, Any]:
    origin = version.partition(":")[0]
    return {"price_version": version, "origin": origin, "price": None if price is None else written(price)}


def version(conn: Connection, work: Work, version_id: str) -> dict[str, Any]:
    """Return the immutable version that calls name as their ``price_version``.

    Raises:
        NotFoundError: there is none of this id.

    """
    demand(work.actor, Permission.PRICES_READ)
    row = price_queries.versions(conn, [version_id]).get(version_id)
    if row is None:
        raise NotFoundError(f"There is no price version {version_id[:80]!r}.", param="id")
    return {
        "id": row["id"],
        "kind": row["kind"],
        "subject": row["subject"],
        "price_list": row["price_list"] or None,
        "price": row["price"],
        "terms": row["terms"],
        "created_at": instant_text(row["created_ms"]),
    }


def history(conn: Connection, model: str) -> list[dict[str, Any]]:
    """Return the standard sell price of a model over time, newest first: what the public site shows.

    It begins when this gateway first offered the model. ``price`` is null from when it was no longer sold.
    """
    rows = price_queries.periods(conn, SELL, model.lower(), STANDARD)
    if not rows:  # never had a price here
        return []
    ends = [*(_at(each["from_ms"]) for each in rows[1:]), None]
    return [
        {"from": _at(each["from_ms"]), "to": end, "price": each["price"], "price_version": each["version_id"] or None}
        for each, end in reversed(list(zip(rows, ends, strict=True)))
    ]


def changes(conn: Connection) -> list[dict[str, Any]]:
    """Return how standard sell prices changed on this server, newest first: what the public site shows.

    ``price`` is null where a model was no longer sold, ``before`` where it was not sold until then.
    """
    return [
        {"model": each["subject"], "from": _at(each["from_ms"]), "price": each["price"], "before": each["before"]}
        for each in price_queries.changes(conn, SELL, STANDARD, _CHANGES)
    ]


def history_for(conn: Connection, work: Work, model: str) -> list[dict[str, Any]]:
    """Return a model's price history to an actor.

    Raises:
        NotFoundError: this gateway never had the model.

    """
    demand(work.actor, Permission.MODELS_READ)
    found = history(conn, model)
    if not found:
        raise NotFoundError(f"There is no price history of {model[:80]!r}.", param="model")
    return found
