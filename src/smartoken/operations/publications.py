"""What prices and routes share: a draft is free to change, a publication never changes, every step is audited.

Each keeps its own table and its own words for what is in it; the columns of a draft's life are the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.operations import audit, fields, queries
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand

DRAFT, PUBLISHED = "draft", "published"
NOTE_LENGTH = 500
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The publications of one kind. ``noun`` begins their ids and their audit entries."""

    noun: str
    table: queries.Table
    find: Callable[[Connection, str], dict[str, Any] | None]
    shown: Callable[[Row], dict[str, Any]]
    reading: Permission
    writing: Permission

    def row_of(self, conn: Connection, publication_id: str, state: str | None = None) -> dict[str, Any]:
        """Return a stored publication, in a state.

        Raises:
            NotFoundError: there is none of this id.
            InvalidRequestError: it is in another state.

        """
        row = self.find(conn, publication_id)
        if row is None:
            raise NotFoundError(f"There is no {self.noun} publication {publication_id[:80]!r}.", param="id")
        if state is not None and row["state"] != state:
            published = "is published and never changes; undo it instead"
            raise InvalidRequestError(
                f"{publication_id} {published if state == DRAFT else 'is a draft; publish it first'}.", param="id"
            )
        return row

    def one(self, conn: Connection, work: Work, publication_id: str) -> dict[str, Any]:
        """Return a publication or draft as the API shows it."""
        demand(work.actor, self.reading)
        return self.shown(self.row_of(conn, publication_id))

    def to_write(self, conn: Connection, work: Work, publication_id: str, state: str = DRAFT) -> dict[str, Any]:
        """Return a publication to be changed; until the transaction ends nobody else changes one."""
        demand(work.actor, self.writing)
        queries.lock_changes(conn)
        return self.row_of(conn, publication_id, state)

    def fresh(self, work: Work, note: str, undoes: str | None = None) -> dict[str, Any]:
        """Return the columns that every new draft begins with."""
        return {
            "id": work.id(self.noun),
            "state": DRAFT,
            "note": note[:NOTE_LENGTH],
            "undoes": undoes,
            "created_ms": work.now_ms,
            "created_by": work.actor.name,
            "published_ms": None,
            "published_by": None,
        }

    def add(self, conn: Connection, work: Work, row: Row, verb: str) -> dict[str, Any]:
        """Store a new row and return it as the API shows it."""
        queries.insert(conn, self.table, row)
        made = self.shown(row)
        audit.append(conn, work, self.entry(verb, row["id"], None, made))
        return made

    def amend(self, conn: Connection, work: Work, row: Row, changes: Row) -> dict[str, Any]:
        """Store the changes of a draft, if they change anything, and return it as the API shows it."""
        before, after = self.shown(row), self.shown({**row, **changes})
        if before != after:
            queries.update(conn, self.table, {"id": row["id"]}, changes)
            audit.append(conn, work, self.entry("change", row["id"], before, after))
        return after

    def drop(self, conn: Connection, work: Work, publication_id: str) -> None:
        """Delete a draft.

        Raises:
            InvalidRequestError: it is published.

        """
        row = self.to_write(conn, work, publication_id)
        queries.delete(conn, self.table, {"id": publication_id})
        audit.append(conn, work, self.entry("drop", publication_id, self.shown(row), None))

    def entry(self, verb: str, publication_id: str, before: Any, after: Any) -> audit.Entry:
        """Return the audit entry of a step."""
        return audit.Entry(f"{self.noun}.{verb}", f"{self.noun}:{publication_id}", before, after)


def published(work: Work) -> dict[str, Any]:
    """Return the columns that say who published, and when."""
    return {"state": PUBLISHED, "published_ms": work.now_ms, "published_by": work.actor.name}


def note_of(wanted: Row) -> str:
    """Return the note of a wish.

    Raises:
        InvalidRequestError: it is no text, or too long.

    """
    return fields.maybe_text(wanted.get("note"), "note", NOTE_LENGTH) or ""
