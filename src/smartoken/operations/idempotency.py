"""One effect for one key: what a repeated request that moves money gets, and what it never does.

A POST that moves money carries an ``Idempotency-Key``. The key is taken in the transaction of the operation itself: the
same key with the same request gets the answer that was stored, with another request a conflict, and of two at the same
time one waits for the other. An operation that is refused leaves the key free, so a corrected request may use it. Keys
are an actor's own and are kept for two days.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Concatenate, ParamSpec

import orjson
from sqlalchemy import Connection

from smartoken.errors import IdempotencyConflictError, InvalidRequestError
from smartoken.operations.office import Work
from smartoken.store import access_queries as queries

HEADER = "Idempotency-Key"
KEPT_MS = 48 * 3_600_000
_FORM = re.compile(r"[\x21-\x7e]{1,200}")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of itself: its key, and a digest of all that it asks for."""

    key: str
    digest: bytes


def asked(key: str | None, method: str, path: str, body: bytes) -> Asked:
    """Return what identifies a request; the body counts by its values, not by its blanks.

    Raises:
        InvalidRequestError: the key is absent or malformed, or the body names something twice.

    """
    if key is None or not _FORM.fullmatch(key):
        what = "needs the header" if key is None else "has a malformed header"
        raise InvalidRequestError(
            f"A request that moves money {what} `{HEADER}`.",
            param=HEADER,
            remedy=f"Send `{HEADER}` with 1 to 200 printable characters, a new one for each new request.",
        )
    try:
        plain = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
        json.loads(body, object_pairs_hook=_named_once)
    except (ValueError, TypeError, RecursionError):  # told by whoever reads the body for its fields
        plain = body
    return Asked(key, sha256(b"\n".join((method.encode(), path.encode(), plain))).digest())


def _named_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; of two amounts in one body nobody can say which one was meant."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequestError(f"`{name[:80]}` stands twice in the body; send it once.", param=name[:80])
        found[name] = value
    return found


def actor_of(work: Work) -> str:
    """Return whose keys a request's key is among."""
    return f"{work.actor.label}@{work.actor.account_id or '*'}"


def once(
    conn: Connection,
    work: Work,
    request: Asked,
    operation: Callable[Concatenate[Connection, Work, P], Mapping[str, Any]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> dict[str, Any]:
    """Run an operation that returns JSON, or return what it answered to this key before.

    Raises:
        IdempotencyConflictError: the key was used for another request.

    """
    actor = actor_of(work)
    row = {"actor": actor, "key": request.key, "digest": request.digest, "answer": {}, "created_ms": work.now_ms}
    if not queries.claim_answer(conn, row):
        known = queries.answer_row(conn, actor, request.key)
        if known is None or bytes(known["digest"]) != request.digest:
            raise IdempotencyConflictError(f"This {HEADER} was used for another request.", param=HEADER)
        return dict(known["answer"])
    answer = dict(operation(conn, work, *args, **kwargs))
    queries.keep_answer(conn, actor, request.key, answer)
    return answer


def prune(conn: Connection, now_ms: int) -> int:
    """Forget answers older than two days; returns how many."""
    return queries.drop_answers(conn, now_ms - KEPT_MS)
