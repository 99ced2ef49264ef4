"""Why a call ended as it did and where its counts come from, in one sentence. Pure.

It is told from the record alone: the end, the failure of the last attempt, the error that the client was told, and the
source of the usage.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_ENDS = {
    "completed": "The provider ended the answer",
    "length": "The answer reached its limit",
    "client_left": "The client's connection was gone before the answer was whole",
    "upstream_cut": "The answer broke off on its way from the provider",
    "stalled": "The provider fell silent in the middle of the answer",
    "zero_output": "The provider's answer was whole and empty",
    "content_filter": "A content policy ended the answer",
    "upstream_error": "No provider answered",
    "refused": "The call was refused",
    "our_fault": "The gateway failed",
    "recovered": "The gateway's process died during the call, which was settled by the last checkpoint of its journal",
    "unknown_dispatch": "The gateway's process died before it was known that the provider got the call",
}
_SOURCES = {
    "reported": "the counts are the provider's",
    "counted": "the provider sent no counts, so they are ours",
    "mixed": "the counts are the provider's as far as it sent them, and ours",
    "recovered": "the counts are those of the checkpoint",
}


def reason_of(row: Mapping[str, Any]) -> str:
    """Return the reason of a call's end and charge; ``row`` has the columns of a record."""
    why = _cause(row["attempts"], row["error_code"]) if row["end_reason"] != "completed" else None
    source = _SOURCES.get(row["usage_source"] or "")
    parts = [_ENDS.get(row["end_reason"], row["end_reason"]) + (f" ({why})" if why else "")]
    parts += [source] if source else []
    parts += ["what could not be true of them was bounded"] if row["suspect"] else []
    return "; ".join(parts) + "."


def _cause(attempts: Sequence[Mapping[str, Any]], error_code: str | None) -> str | None:
    """Return what failed: the last attempt's failure, else the error that was told."""
    failed = attempts[-1]["failure"] if attempts and "failure" in attempts[-1] else None
    return str(failed) if failed else error_code
