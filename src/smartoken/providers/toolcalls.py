"""Tool calls of one choice, repaired while they stream. Pure.

Vendors send later fragments with an empty id, with no index, with -1, with the name again or null, with another
call's index. Out come fragments as OpenAI sends them: indices 0, 1, 2 ... in order of appearance, id, type and name
once, arguments as text.
"""

from collections.abc import Mapping
from typing import Any

import orjson


def arguments_text(value: Any) -> str:
    """Return arguments as the JSON text that clients expect, also where a server sent an object."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


class ToolCalls:
    """Collects the calls of one choice; ``made`` holds them whole, in order of appearance."""

    __slots__ = ("_by_id", "_by_upstream_index", "_own_ids", "made")

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self._by_id: dict[str, int] = {}
        self._by_upstream_index: dict[int, int] = {}
        self._own_ids: set[int] = set()  # places of calls that came without an id

    def _place(self, call_id: str, index: int | None, name: str) -> int | None:
        """Return which call a fragment belongs to; None for a new one."""
        known = None if index is None else self._by_upstream_index.get(index)
        if call_id:
            if call_id in self._by_id:
                return self._by_id[call_id]
            # An id that comes late belongs to the call that had none; else one index is used for several calls.
            return known if known in self._own_ids else None
        if known is not None:
            return known
        if index is not None and index < len(self.made) and index not in self._by_upstream_index.values():
            return index  # its first fragment came without an index
        last = len(self.made) - 1
        if last < 0 or (name and (index is not None or self.made[last]["function"]["name"] not in ("", name))):
            return None
        return last

    def feed(self, fragment: Mapping[str, Any], chunk_id: str) -> dict[str, Any]:
        """Take one fragment as it came; return it repaired. ``chunk_id`` names calls that never get an id."""
        index = fragment.get("index")
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            index = None
        call_id, kind, function = fragment.get("id"), fragment.get("type"), fragment.get("function")
        function = function if isinstance(function, dict) else {}
        name = function.get("name")
        name = name if isinstance(name, str) else ""
        arguments = arguments_text(function.get("arguments"))
        call_id = call_id if isinstance(call_id, str) else ""
        place = self._place(call_id, index, name)
        if place is not None:
            if index is not None:
                self._by_upstream_index.setdefault(index, place)
            return {"index": place, "function": self._grow(place, name, arguments)}
        place = len(self.made)
        if not call_id:
            self._own_ids.add(place)
            call_id = f"call_{chunk_id}_{place}"
        self._by_id[call_id] = place
        if index is not None:
            self._by_upstream_index[index] = place
        kind = kind if isinstance(kind, str) and kind else "function"
        self.made.append({"id": call_id, "type": kind, "function": {"name": name, "arguments": arguments}})
        return {"index": place, "id": call_id, "type": kind, "function": {"name": name, "arguments": arguments}}

    def _grow(self, place: int, name: str, arguments: str) -> dict[str, Any]:
        made = self.made[place]["function"]
        made["arguments"] += arguments
        if not name or made["name"]:
            return {"arguments": arguments}
        made["name"] = name
        return {"name": name, "arguments": arguments}
