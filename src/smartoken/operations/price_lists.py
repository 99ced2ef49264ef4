"""Price lists as accounts have them. What a list says is part of the price book and changes by publication."""

from typing import Any

from sqlalchemy import Connection

from smartoken.billing.price_book import book_at
from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.identity import queries as identity
from smartoken.operations import audit
from smartoken.operations.accounts import account_id_of
from smartoken.operations.directory import Directory
from smartoken.operations.office import Work
from smartoken.operations.price_store import stored_publications
from smartoken.operations.price_words import shown_list
from smartoken.operations.rights import Permission, demand
from smartoken.store import revisions


def lists(conn: Connection, work: Work, directory: Directory) -> list[dict[str, Any]]:
    """Return the price lists in force, with the accounts that have them, and names of accounts' lists that are not.

    Raises:
        PermissionDeniedError: the actor may not see prices.

    """
    demand(work.actor, Permission.PRICES_READ)
    book = book_at(stored_publications(conn), work.now_ms)
    having: dict[str, list[str]] = {name: [] for name in book.lists}
    for each in directory.accounts.values():
        if each.price_list is not None:
            having.setdefault(each.price_list, []).append(each.slug)
    return [
        {
            "name": name,
            "in_force": name in book.lists,
            "publication": book.sources.get(("lists", name)),
            "accounts": sorted(accounts),
            **(shown_list(book.lists[name]) if name in book.lists else {}),
        }
        for name, accounts in sorted(having.items())
    ]


def assign(conn: Connection, work: Work, account: str, price_list: str | None) -> dict[str, Any]:
    """Give an account a price list, or with None the standard prices; calls from now on are priced by it.

    Raises:
        InvalidRequestError: no list of this name is published.
        NotFoundError: there is no such account.

    """
    demand(work.actor, Permission.PRICES_WRITE)
    account_id = account_id_of(conn, work, Permission.ACCOUNTS_READ, account)
    row = identity.account_by_id(conn, account_id) if account_id is not None else None
    if row is None:
        raise NotFoundError("There is no such account.", param="account")
    if price_list is not None:
        known = sorted({name for each in stored_publications(conn) for name in each.contents.lists})
        if price_list not in known:
            names = ", ".join(known) or "none yet"
            raise InvalidRequestError(
                f"`price_list`: no published list is called {price_list[:64]!r}; there are: {names}.",
                param="price_list",
            )
    before = {"price_list": row["price_list"]}
    after = {"price_list": price_list}
    if before != after:
        identity.update_account(conn, row["id"], after)
        revisions.bump(conn)
        audit.append(conn, work, audit.Entry("account.price_list", f"account:{row['id']}", before, after))
    return {"account": row["slug"], "account_id": row["id"], **after}
