"""A set-up as a list of items, the same for a file and for the store, so that a diff is one loop. Pure.

An item is a provider, one of its keys, a model, one of its offers, an account, one of its keys, an exchange rate or
the site. ``view`` holds everything about it that may be shown and compared, in the words of the set-up file: amounts
and rates as decimal strings, never a secret. Two items are equal when kind, name and view are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from smartoken.catalog.strict import Table
from smartoken.store.vault import Secret


class Kind(StrEnum):
    """What an item is, in the order in which items are created; they are removed in the reverse order."""

    SITE = "site"
    FX = "fx"
    PROVIDER = "provider"
    PROVIDER_KEY = "provider key"
    MODEL = "model"
    OFFER = "offer"
    ACCOUNT = "account"
    KEY = "key"


ORDER: tuple[Kind, ...] = tuple(Kind)
SECTIONS: Mapping[Kind, str] = {
    Kind.SITE: "site",
    Kind.FX: "fx",
    Kind.PROVIDER: "provider",
    Kind.PROVIDER_KEY: "provider",
    Kind.MODEL: "model",
    Kind.OFFER: "model",
    Kind.ACCOUNT: "account",
    Kind.KEY: "account",
}


@dataclass(frozen=True, slots=True)
class GivenSecret:
    """A secret as the file gives it: by the name of a variable, with its value where that is set; or written out."""

    variable: str | None
    value: Secret | None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a set-up. ``name`` is unique within its kind: ``up1``, ``up1/main``, ``test/alpha``, ``acme``."""

    kind: Kind
    name: str
    view: Mapping[str, Any]
    parent: str = ""  # the provider of a key or the model of an offer, the account of a key
    secret: GivenSecret | None = field(default=None, compare=False)
    once: Mapping[str, Any] = field(default_factory=dict, compare=False)  # counts only when the item is created
    where: Table | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """How lines and the store's own list name it."""
        return f"{self.kind.value} {self.name}" if self.name else self.kind.value


@dataclass(frozen=True, slots=True)
class SetupFile:
    """A file, read: its items in order, and the sections that it has; a section it lacks is left alone."""

    items: tuple[Item, ...]
    sections: frozenset[str]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables that hold its secrets, each once."""
        names = (each.secret.variable for each in self.items if each.secret is not None)
        return tuple(dict.fromkeys(name for name in names if name is not None))


class Verb(StrEnum):
    """What becomes of an item."""

    CREATE = "create"
    CHANGE = "change"
    ENABLE = "enable"
    DISABLE = "disable"
    DELETE = "delete"


SIGNS: Mapping[Verb, str] = {
    Verb.CREATE: "+",
    Verb.CHANGE: "~",
    Verb.ENABLE: "~",
    Verb.DISABLE: "-",
    Verb.DELETE: "-",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a diff: ``fields`` are (name, before, after), each as JSON would show it."""

    verb: Verb
    item: Item
    fields: tuple[tuple[str, Any, Any], ...] = ()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield what differs between two views, by name."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield name, before, after
