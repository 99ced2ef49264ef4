"""The SQL of accounts, keys and budgets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from smartoken.store.schema import accounts, api_key_secrets, api_keys, budgets

Row = Mapping[str, Any]


def _rows(conn: sa.Connection, statement: sa.Select[Any]) -> list[Row]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def account_rows(conn: sa.Connection) -> list[Row]:
    """Return every account, oldest first."""
    return _rows(conn, sa.select(accounts).order_by(accounts.c.id))


def account_by_slug(conn: sa.Connection, slug: str) -> Row | None:
    """Return the account of this short name."""
    found = _rows(conn, sa.select(accounts).where(accounts.c.slug == slug))
    return found[0] if found else None


def account_by_id(conn: sa.Connection, account_id: str) -> Row | None:
    """Return the account of this id."""
    found = _rows(conn, sa.select(accounts).where(accounts.c.id == account_id))
    return found[0] if found else None


def insert_account(conn: sa.Connection, row: Row) -> None:
    """Add an account."""
    conn.execute(accounts.insert().values(**row))


def update_account(conn: sa.Connection, account_id: str, changes: Row) -> None:
    """Change an account."""
    conn.execute(accounts.update().where(accounts.c.id == account_id).values(**changes))


def key_rows(conn: sa.Connection, account_id: str | None = None) -> list[Row]:
    """Return keys, oldest first, of one account or of all."""
    statement = sa.select(api_keys).order_by(api_keys.c.id)
    if account_id is not None:
        statement = statement.where(api_keys.c.account_id == account_id)
    return _rows(conn, statement)


def key_by_id(conn: sa.Connection, account_id: str | None, key_id: str) -> Row | None:
    """Return a key if it belongs to the account (``None``: whoever it belongs to)."""
    statement = sa.select(api_keys).where(api_keys.c.id == key_id)
    if account_id is not None:
        statement = statement.where(api_keys.c.account_id == account_id)
    found = _rows(conn, statement)
    return found[0] if found else None


def key_by_name(conn: sa.Connection, account_id: str, name: str) -> Row | None:
    """Return an account's key of this name."""
    found = _rows(conn, sa.select(api_keys).where(api_keys.c.account_id == account_id, api_keys.c.name == name))
    return found[0] if found else None


def insert_key(conn: sa.Connection, row: Row) -> None:
    """Add a key."""
    conn.execute(api_keys.insert().values(**row))


def update_key(conn: sa.Connection, key_id: str, changes: Row) -> None:
    """Change a key."""
    conn.execute(api_keys.update().where(api_keys.c.id == key_id).values(**changes))


def secret_rows(conn: sa.Connection, key_ids: Sequence[str] | None = None, account_id: str | None = None) -> list[Row]:
    """Return the secrets' digests and shown parts, of a page of keys, of one account or of all.

    A key's secrets come oldest first, its current one (which has no end) last.
    """
    ended = api_key_secrets.c.valid_until_ms.is_not(None)
    statement = sa.select(api_key_secrets).order_by(
        ended.desc(), api_key_secrets.c.created_ms, api_key_secrets.c.valid_until_ms, api_key_secrets.c.digest
    )
    if key_ids is not None:
        statement = statement.where(api_key_secrets.c.key_id.in_(key_ids))
    if account_id is not None:
        own = sa.select(api_keys.c.id).where(api_keys.c.account_id == account_id)
        statement = statement.where(api_key_secrets.c.key_id.in_(own))
    return _rows(conn, statement)


def insert_secret(conn: sa.Connection, row: Row) -> None:
    """Add a secret's digest to a key."""
    conn.execute(api_key_secrets.insert().values(**row))


def end_secrets(conn: sa.Connection, key_id: str, until_ms: int) -> None:
    """Let the current secrets of a key live until an instant, those with an earlier end keep it."""
    conn.execute(
        api_key_secrets.update()
        .where(api_key_secrets.c.key_id == key_id)
        .where(sa.or_(api_key_secrets.c.valid_until_ms.is_(None), api_key_secrets.c.valid_until_ms > until_ms))
        .values(valid_until_ms=until_ms)
    )


def drop_ended_secrets(conn: sa.Connection, before_ms: int) -> int:
    """Forget the digests of secrets that ended before an instant; returns how many."""
    return conn.execute(api_key_secrets.delete().where(api_key_secrets.c.valid_until_ms < before_ms)).rowcount


def budget_rows(conn: sa.Connection) -> list[Row]:
    """Return every budget."""
    return _rows(conn, sa.select(budgets).order_by(budgets.c.scope, budgets.c.scope_id, budgets.c.period))


def budgets_of(conn: sa.Connection, scope: str, scope_id: str) -> list[Row]:
    """Return the budgets of one account or key."""
    return _rows(
        conn,
        sa.select(budgets).where(budgets.c.scope == scope, budgets.c.scope_id == scope_id).order_by(budgets.c.period),
    )


def lock_owner(conn: sa.Connection, scope: str, scope_id: str) -> None:
    """Let one transaction at a time change the budgets of an account or key."""
    table = accounts if scope == "account" else api_keys
    conn.execute(sa.select(table.c.id).where(table.c.id == scope_id).with_for_update(key_share=True))


def limits_of(conn: sa.Connection, scope_ids: Iterable[str]) -> dict[tuple[str, str, str], int]:
    """Return the limits of budgets by (scope, id, period); nobody changes them until the transaction ends."""
    found = sa.select(budgets).where(budgets.c.scope_id.in_(sorted(set(scope_ids)))).order_by(budgets.c.id)
    rows = _rows(conn, found.with_for_update(read=True))
    return {(row["scope"], row["scope_id"], row["period"]): int(row["limit_nano"]) for row in rows}


def insert_budget(conn: sa.Connection, row: Row) -> None:
    """Add a budget."""
    conn.execute(budgets.insert().values(**row))


def update_budget(conn: sa.Connection, budget_id: str, limit_nano: int) -> None:
    """Change a budget's limit."""
    conn.execute(budgets.update().where(budgets.c.id == budget_id).values(limit_nano=limit_nano))


def delete_budget(conn: sa.Connection, budget_id: str) -> None:
    """Remove a budget."""
    conn.execute(budgets.delete().where(budgets.c.id == budget_id))
