"""What leaves the routes of prices and reconciliation."""

from typing import Any

from pydantic import Field

from smartoken.control.answers import Answer

Entry = dict[str, Any]


class PublicationAnswer(Answer):
    """A publication of the price book, or a draft."""

    id: str
    state: str
    from_: str | None = Field(alias="from")
    note: str
    undoes: str | None
    sell: dict[str, Entry | None]
    cost: dict[str, Entry | None]
    lists: dict[str, Entry | None]
    created_at: str
    created_by: str
    published_at: str | None
    published_by: str | None


class DiffAnswer(Answer):
    """What a draft would change."""

    id: str
    from_: str = Field(alias="from")
    changes: list[Entry]
    accounts: list[str]
    effect: Entry


class VersionAnswer(Answer):
    """An immutable price; calls name it as their ``price_version``."""

    id: str
    kind: str
    subject: str
    price_list: str | None
    price: Entry
    terms: Entry
    created_at: str


class AssignedAnswer(Answer):
    """An account and its price list."""

    account: str
    account_id: str
    price_list: str | None


class MarginAnswer(Answer):
    """Charge, cost and margin by group."""

    group_by: str
    from_: str = Field(alias="from")
    to: str
    rows: list[Entry] = Field(alias="data")
    total: Entry


class ChecksAnswer(Answer):
    """What the checks of the books found."""

    sound: bool
    rows: list[Entry] = Field(alias="data")


class ReconciledAnswer(Answer):
    """What a comparison found; ``ok`` is whether everything agrees within the tolerance."""

    id: str
    kind: str
    ok: bool
    notes: list[str]
    summary: Entry
    findings: list[Entry]
    cells: list[Entry]


class RunAnswer(Answer):
    """A comparison that was made."""

    id: str
    kind: str
    actor: str
    ok: bool
    summary: Entry
    created_at: str
