"""Transducers over the text of one answer: thinking taken out of content, stray tags, cumulative text. Pure.

Each takes pieces as they come and gives pieces back; cutting the same text otherwise gives the same whole. A piece
that may be the beginning of a tag is held back until the next piece or ``flush`` decides.
"""

OPEN = "<think>"
CLOSE = "</think>"


def _tail_of_tag(text: str, tag: str) -> int:
    """Return how many characters at the end of the text may begin the tag."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if tag.startswith(text[-length:]):
            return length
    return 0


class ThinkSplitter:
    """Split ``<think>...</think>`` at the beginning of content into reasoning; later tags are text.

    White space before the tag is dropped with it, and so are the line breaks that follow the closing tag.
    """

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._held = ""
        self._state = "before"

    def feed(self, text: str) -> tuple[str, str]:
        """Take a piece of content; return (reasoning, content), either of them maybe empty."""
        if self._state == "open":
            return "", text
        text, self._held = self._held + text, ""
        reasoning = ""
        if self._state == "before":
            bare = text.lstrip()
            if len(bare) < len(OPEN) and OPEN.startswith(bare):
                self._held = text
                return "", ""
            if not bare.startswith(OPEN):
                self._state = "open"
                return "", text
            self._state, text = "inside", bare[len(OPEN) :]
        if self._state == "inside":
            place = text.find(CLOSE)
            if place < 0:
                keep = len(text) - _tail_of_tag(text, CLOSE)
                self._held = text[keep:]
                return text[:keep], ""
            reasoning, text = text[:place], text[place + len(CLOSE) :]
            self._state = "after"
        text = text.lstrip("\r\n")
        if text:
            self._state = "open"
        return reasoning, text

    def flush(self) -> tuple[str, str]:
        """Return what was held back, at the end of the answer."""
        held, self._held = self._held, ""
        if self._state == "inside":
            return held, ""
        self._state = "open"
        return "", held


class TagStripper:
    """Take ``<think>`` and ``</think>`` out of reasoning text, also where a tag is split over pieces."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Take a piece of reasoning and return it without tags."""
        text = (self._held + text).replace(OPEN, "").replace(CLOSE, "")
        keep = len(text) - max(_tail_of_tag(text, OPEN), _tail_of_tag(text, CLOSE))
        self._held = text[keep:]
        return text[:keep]

    def flush(self) -> str:
        """Return what was held back; it was no tag."""
        held, self._held = self._held, ""
        return held


class Cumulative:
    """Turn pieces that each repeat all text so far into deltas; honest deltas pass.

    Decided once, on the second piece: it must begin with the whole first piece, which must be long enough for that
    not to be chance.
    """

    __slots__ = ("_mode", "_seen")
    _ENOUGH = 8

    def __init__(self) -> None:
        self._seen = ""
        self._mode = "unknown"

    def feed(self, text: str) -> str:
        """Take a piece; return what is new in it."""
        if self._mode == "deltas":
            return text
        seen = self._seen
        if not seen:
            self._seen = text
            return text
        if len(seen) >= self._ENOUGH and text.startswith(seen) and (self._mode == "cumulative" or text != seen):
            self._mode, self._seen = "cumulative", text
            return text[len(seen) :]
        if self._mode == "unknown":
            self._mode, self._seen = "deltas", ""
        else:
            self._seen = seen + text
        return text
