"""``apply``: bring the store to what a set-up file says, in one transaction, idempotently.

A section that the file has describes that section whole: what ``apply`` made earlier and the file no longer has is
disabled, or with ``prune`` deleted. An account that money was moved for is
only ever suspended. A section that the file lacks is left alone, and so is whatever was made by other
means (the API, the console, the demo), unless the file names it; from then on it belongs to the file. What an
operator paused by hand stays paused; what ``apply`` itself disabled is enabled when it returns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from smartoken.catalog.files import Catalog
from smartoken.operations import audit, queries, setup_writers
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_items import ORDER, SECTIONS, Change, Item, Kind, SetupFile, Verb, differences
from smartoken.operations.setup_stored import ACTIVE, DISABLED, ITEMS_FACT, VARIABLES_FACT, StoredSetup, stored_setup
from smartoken.operations.setup_writers import Written
from smartoken.store import revisions
from smartoken.store.vault import Secret

CHILDREN: Mapping[Kind, Kind] = {
    Kind.ACCOUNT: Kind.KEY,
    Kind.PROVIDER: Kind.PROVIDER_KEY,
    Kind.MODEL: Kind.OFFER,
}
SECRET_FIELD = ("secret", "***", "*** (another)")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: a file, and how far to go."""

    file: SetupFile
    dry_run: bool = False
    prune: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, or with a dry run would be: the diff, keys made here (shown once), and what to know."""

    changes: tuple[Change, ...]
    minted: tuple[tuple[str, Secret], ...]
    notes: tuple[str, ...]


def apply(conn: Connection, work: Work, catalog: Catalog, wish: Wish) -> Applied:
    """Compare the file with the store and, unless it is a dry run, make the store so.

    Raises:
        PermissionDeniedError: the actor may not change the set-up.
        CatalogError: the file is wrong against the store, with file and line.

    """
    demand(work.actor, Permission.SETUP_WRITE)
    queries.lock_changes(conn)
    stored = stored_setup(conn)
    _check(conn, work, catalog, wish, stored)
    changes = [*_wanted(conn, work, wish.file, stored), *_unwanted(wish, stored)]
    notes = (*_notes(wish, stored), *_former(conn, work, wish.file, stored))
    if wish.dry_run:
        return Applied(tuple(changes), (), notes)
    written = Written()
    for each in changes:
        _write(conn, work, each, stored, written)
    _remember(conn, wish, stored, changes)
    for each in changes:
        audit.append(conn, work, _entry(each, stored))
    if changes:
        revisions.bump(conn)
    return Applied(tuple(changes), tuple(written.minted), notes)


def _check(conn: Connection, work: Work, catalog: Catalog, wish: Wish, stored: StoredSetup) -> None:
    """Refuse what only the store or the catalog can tell to be wrong."""
    file = wish.file
    _check_variables(file, stored)
    providers = {each.name for each in file.items if each.kind is Kind.PROVIDER} | set(catalog.providers)
    for label, each in stored.items.items():
        # Not those that this very file is about to disable or delete: an offer there would be a mistake.
        off_already = not each.enabled and not wish.prune
        stays = "provider" not in file.sections or off_already or label not in stored.managed
        if each.item.kind is Kind.PROVIDER and stays:
            providers.add(each.item.name)
    with_offers = {each.parent for each in file.items if each.kind is Kind.OFFER}
    texts: dict[bytes, str] = {}
    for item in file.items:
        if item.where is None:
            continue
        if item.kind is Kind.OFFER and item.view["provider"] not in providers:
            near = ", ".join(sorted(each.name for each in file.items if each.kind is Kind.PROVIDER)) or "none"
            name = item.view["provider"]
            raise item.where.error(f"`provider`: there is no provider {name!r}; this file has {near}", "provider")
        if item.kind is Kind.MODEL and item.name not in with_offers and catalog.resolve(item.name) is None:
            raise item.where.error("a model that is not in the catalog needs at least one [[model.offer]]")
        if item.kind is Kind.PROVIDER and "region" in item.view and item.name in catalog.providers:
            record = catalog.providers[item.name]
            if record.region(item.view["region"]) is None:
                known = ", ".join(each.id for each in record.regions)
                raise item.where.error(f"`region`: {item.name} has {known}", "region")
        if item.secret is not None:
            _check_secret(conn, work, item, stored, texts)


def _check_variables(file: SetupFile, stored: StoredSetup) -> None:
    """Refuse secrets of new items whose variables are not set; one message names them all."""
    unset = [
        (item, item.secret.variable)
        for item in file.items
        if item.secret is not None and item.secret.value is None and item.label not in stored.items
    ]
    for item, variable in unset:
        if item.where is None:
            continue
        others = [str(each) for each in dict.fromkeys(each for _, each in unset) if each != variable]
        told = f"; nor {'are' if len(others) > 1 else 'is'} {', '.join(others)}" if others else ""
        fix = "set it, or leave `secret` out to have a key made" if item.kind is Kind.KEY else "set it"
        raise item.where.error(f"`secret`: {variable} is not set in the environment{told}; {fix}", "secret")


def _check_secret(conn: Connection, work: Work, item: Item, stored: StoredSetup, texts: dict[bytes, str]) -> None:
    where, secret = item.where, item.secret
    if where is None or secret is None or secret.value is None or item.kind is not Kind.KEY:
        return
    known = stored.items.get(item.label)
    text = secret.value.reveal().encode()
    if text in texts:
        raise where.error(f"`secret` is that of {texts[text]} too; every key needs its own", "secret")
    texts[text] = item.name
    owner = setup_writers.owner_of(conn, work, secret.value)
    if owner is not None and (known is None or owner != known.row_id):
        raise where.error("`secret` belongs to another key of this gateway", "secret")


def _wanted(conn: Connection, work: Work, file: SetupFile, stored: StoredSetup) -> Iterable[Change]:
    for kind in ORDER:
        for item in (each for each in file.items if each.kind is kind):
            known = stored.items.get(item.label)
            if known is None:
                yield Change(Verb.CREATE, item)
                continue
            if known.gone:
                continue
            fields = list(differences(known.item.view, item.view))
            if setup_writers.secret_differs(conn, work, item, known):
                fields.append(SECRET_FIELD)
            if fields:
                yield Change(Verb.CHANGE, item, tuple(fields))
            if not known.enabled and stored.managed.get(item.label) == DISABLED:
                yield Change(Verb.ENABLE, item)


def _unwanted(wish: Wish, stored: StoredSetup) -> Iterable[Change]:
    """Yield what ``apply`` made and the file no longer has, the dependent things first.

    With a parent that is deleted go its children, by whatever means they were made.
    """
    named = {each.label for each in wish.file.items}
    lost = {label for label in stored.items if label not in named and label in stored.managed}
    if wish.prune:
        parents = {(CHILDREN[each.item.kind], each.item.name) for label, each in stored.items.items()
                   if label in lost and each.item.kind in CHILDREN}  # fmt: skip
        lost |= {label for label, each in stored.items.items() if (each.item.kind, each.item.parent) in parents}
    for kind in reversed(ORDER):
        if SECTIONS[kind] not in wish.file.sections:
            continue
        for label, each in stored.items.items():
            if each.item.kind is not kind or label not in lost:
                continue
            if wish.prune and not each.ledgered:
                yield Change(Verb.DELETE, each.item)
            elif kind not in (Kind.SITE, Kind.FX) and each.enabled:
                yield Change(Verb.DISABLE, each.item)


def _notes(wish: Wish, stored: StoredSetup) -> Iterable[str]:
    named = {each.label for each in wish.file.items}
    for label, each in stored.items.items():
        lost = label not in named and label in stored.managed and "account" in wish.file.sections
        if wish.prune and lost and each.ledgered:
            yield f"{label} has books, which are kept; it is suspended instead of deleted"
    for item in wish.file.items:
        known = stored.items.get(item.label)
        if known is not None and known.gone:
            yield f"{item.label} was revoked and stays so; a new key needs a new name"
        elif known is not None and not known.enabled and stored.managed.get(item.label) != DISABLED:
            yield f"{item.label} was switched off by hand and stays so"
        if item.secret is None:
            continue
        if item.secret.variable is None:
            yield f"{item.label} has its secret written in the file; env:NAME keeps it out"
        elif item.secret.value is None:
            yield f"{item.secret.variable} is not set; the stored secret of {item.label} is kept"


def _former(conn: Connection, work: Work, file: SetupFile, stored: StoredSetup) -> Iterable[str]:
    """Yield keys whose text in the file was rotated out: the newer one stays, or a stale variable would undo it."""
    for item in file.items:
        known = stored.items.get(item.label)
        secret = item.secret.value if item.secret is not None else None
        if item.kind is not Kind.KEY or known is None or secret is None:
            continue
        if setup_writers.rotated_out(conn, work, secret):
            yield f"{item.label} was rotated since; the secret in the file is a former one and is passed over"


def _write(conn: Connection, work: Work, made: Change, stored: StoredSetup, written: Written) -> None:
    item = made.item
    if made.verb is Verb.CREATE:
        setup_writers.create(conn, work, item, written)
        return
    known = stored.items[item.label]
    if made.verb is Verb.CHANGE:
        if SECRET_FIELD in made.fields:
            setup_writers.replace_secret(conn, work, item, known)
        if made.fields != (SECRET_FIELD,):
            setup_writers.change(conn, work, item, known)
    elif made.verb is Verb.DELETE:
        setup_writers.remove(conn, known)
    else:
        setup_writers.switch(conn, known, on=made.verb is Verb.ENABLE)


def _remember(conn: Connection, wish: Wish, stored: StoredSetup, changes: Sequence[Change]) -> None:
    """Keep what belongs to the file, what was disabled, and the names of variables."""
    managed = {**stored.managed, **{each.label: ACTIVE for each in wish.file.items}}
    for each in changes:
        if each.verb is Verb.DISABLE:
            managed[each.item.label] = DISABLED
        elif each.verb is Verb.DELETE:
            managed.pop(each.item.label, None)
    variables = dict(stored.variables)
    for item in wish.file.items:
        if item.secret is not None:
            variables.pop(item.label, None)
            if item.secret.variable is not None:
                variables[item.label] = item.secret.variable
    for name, value, before in (
        (ITEMS_FACT, managed, stored.managed),
        (VARIABLES_FACT, {key: each for key, each in variables.items() if key in managed}, stored.variables),
    ):
        if value != before:
            queries.put_fact(conn, name, orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def _entry(made: Change, stored: StoredSetup) -> audit.Entry:
    item = made.item
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    if made.verb is Verb.CREATE:
        after = dict(item.view)
    elif made.verb is Verb.CHANGE:
        before = {name: old for name, old, _ in made.fields}
        after = {name: new for name, _, new in made.fields}
    elif made.verb is Verb.DELETE:
        before = dict(item.view)
    known = stored.items.get(item.label)
    name = known.row_id if known is not None and item.kind is Kind.KEY else item.name
    return audit.Entry(f"apply.{made.verb.value}", f"{item.kind.value}:{name}", before, after)
