"""Where each key of a TOML text stands, so that a message can name the line. Pure.

``tomllib`` forgets positions. This scan runs only once something is wrong, over text that ``tomllib`` has already
accepted; it follows headers, arrays of tables, dotted keys, and values nested in arrays and inline tables.
"""

import re
import tomllib

Place = tuple[str | int, ...]

_STRINGS = (
    re.compile(r'"""(?:[^\\"]|\\.|"(?!""))*"""("{0,2})', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'''('{0,2})", re.DOTALL),
    re.compile(r'"(?:[^\\"\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")


class _Scan:
    """One walk over a text; ``lines`` maps the path of every key, table and list item to its line."""

    __slots__ = ("_counts", "_pos", "_text", "lines")

    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0
        self._counts: dict[Place, int] = {}
        self.lines: dict[Place, int] = {(): 1}

    def run(self) -> None:
        base: Place = ()
        self._skip(_VOID)
        while self._pos < len(self._text):
            base = self._header() if self._next("[") else self._pair(base)
            self._skip(_VOID)

    def _header(self) -> Place:
        line = self._line()
        many = self._text.startswith("[[", self._pos)
        self._pos += 2 if many else 1
        keys = self._keys()
        self._pos += 2 if many else 1
        place: Place = ()
        for index, key in enumerate(keys):
            place = (*place, key)
            last = index == len(keys) - 1
            if many and last:
                self.lines.setdefault(place, line)
                self._counts[place] = self._counts.get(place, -1) + 1
            if place in self._counts:
                place = (*place, self._counts[place])
            self.lines.setdefault(place, line)
        return place

    def _pair(self, base: Place) -> Place:
        line = self._line()
        place = base
        for key in self._keys():
            place = (*place, key)
            self.lines.setdefault(place, line)
        self._pos += 1  # the equals sign
        self._skip(_BLANK)
        self._value(place)
        return base

    def _value(self, place: Place) -> None:
        if self._next("["):
            self._items(place, "]")
        elif self._next("{"):
            self._items(place, "}")
        elif not self._string():
            self._skip(_SCALAR)

    def _items(self, place: Place, end: str) -> None:
        self._pos += 1
        index = 0
        self._skip(_VOID)
        while self._pos < len(self._text) and not self._next(end):
            if end == "]":
                self.lines[(*place, index)] = self._line()
                self._value((*place, index))
            else:
                self._pair(place)
            index += 1
            self._skip(_VOID)
            if self._next(","):
                self._pos += 1
                self._skip(_VOID)
        self._pos += 1

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_BLANK)
            start = self._pos
            if self._string():
                keys.append(tomllib.loads("k = " + self._text[start : self._pos])["k"])
            else:
                self._skip(_BARE_KEY)
                keys.append(self._text[start : self._pos])
            self._skip(_BLANK)
            if not self._next("."):
                return keys
            self._pos += 1

    def _string(self) -> bool:
        for form in _STRINGS:
            match = form.match(self._text, self._pos)
            if match:
                self._pos = match.end()
                return True
        return False

    def _skip(self, form: re.Pattern[str]) -> None:
        match = form.match(self._text, self._pos)
        if match:
            self._pos = match.end()

    def _next(self, char: str) -> bool:
        return self._text.startswith(char, self._pos)

    def _line(self) -> int:
        return self._text.count("\n", 0, self._pos) + 1


def key_lines(text: str) -> dict[Place, int]:
    """Line numbers, from 1, by path: ``("model", 0, "price", "input")``.

    The text must be valid TOML. A path that the scan does not know is at the line of its nearest known parent; see
    ``line_of``.
    """
    scan = _Scan(text)
    scan.run()
    return scan.lines


def line_of(lines: dict[Place, int], place: Place) -> int:
    """Return the line of a path, or of its nearest parent that has one."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)
