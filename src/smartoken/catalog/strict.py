"""A strict reader of TOML files: what is not asked for is refused, and every refusal names file and line.

    table = read_toml(path)
    name = table.text("name")                    # missing, empty or not text: CatalogError
    limit = table.whole("limit", 0)              # a default makes a key optional
    for offer in table.tables("offer"): ...      # [[offer]] or offer = [{...}]
    table.done()                                 # keys that nobody asked for, at any depth: CatalogError

Floats are refused everywhere: money and rates are decimal strings (``"0.50"``), counts are integers. The reader knows
nothing of catalog or set-up; it fails closed, and with nothing but ``CatalogError``.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any, Protocol, TypeVar

from smartoken.catalog.lines import Place, key_lines, line_of
from smartoken.money import InvalidAmountError, parse_amount, parse_fx, parse_rate

UNKNOWN_WORD = "unknown"
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_COARSE = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?")
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "an integer"),
    (float, "a float"),
    (str, "text"),
    (datetime, "a date with time"),
    (date, "a date"),
    (time, "a time of day"),
    (list, "a list"),
    (dict, "a table"),
)
_T = TypeVar("_T")


class CatalogError(ValueError):
    """A file is wrong at a line; the text is ``path:line: what is wrong and what to write instead``."""

    def __init__(self, path: str, line: int, message: str) -> None:
        """Keep the parts for those that show them apart."""
        super().__init__(f"{path}:{line}: {message}")
        self.path = path
        self.line = line
        self.message = message


class Readable(Protocol):
    """A path or a resource of a package."""

    def read_bytes(self) -> bytes:
        """Return the whole file."""


class _Source:
    """The text that a tree of tables came from; lines are looked up only for messages."""

    __slots__ = ("path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    def error(self, place: Place, message: str) -> CatalogError:
        try:
            line = line_of(key_lines(self.text), place)
        except RecursionError:  # nested just less deeply than ``tomllib`` can follow
            line = 1
        return CatalogError(self.path, line, message)


def _kind(value: object) -> str:
    return next((name for known, name in _KINDS if isinstance(value, known)), "something else")


class Table:
    """One table of a file. Accessors take a key, mark it as asked for, and return a checked value.

    An accessor without a default requires the key; with one the key is optional. Accessors named ``known_...`` also
    take the text ``"unknown"`` and return None for it.
    """

    __slots__ = ("_asked", "_children", "_place", "_source", "_values")

    def __init__(self, values: dict[str, Any], source: _Source, place: Place = ()) -> None:
        """Wrap what ``tomllib`` read; use ``read_toml`` or ``parse_toml`` instead."""
        self._values = values
        self._source = source
        self._place = place
        self._asked: set[str] = set()
        self._children: dict[str, tuple[Table, ...]] = {}

    @property
    def path(self) -> str:
        """The file's name as messages show it."""
        return self._source.path

    def __contains__(self, key: str) -> bool:
        """Whether the key is written; asking so does not mark it as asked for."""
        return key in self._values

    def is_text(self, key: str) -> bool:
        """Whether the key is written and holds text, for keys that take a word or a table."""
        return isinstance(self._values.get(key), str)

    def error(self, message: str, key: str | None = None) -> CatalogError:
        """Return an error to raise, at the key's line or at the table's."""
        place = self._place if key is None else (*self._place, key)
        return self._source.error(place, message)

    def misspelt(self, key: str) -> CatalogError | None:
        """Return the error for a key that nobody asked for yet and that looks like ``key``, which is not written."""
        near = difflib.get_close_matches(key, self._values.keys() - self._asked, n=1) if key not in self._values else []
        return self.error(f"unknown key `{near[0]}`; did you mean `{key}`?", near[0]) if near else None

    def done(self) -> None:
        """Refuse keys that no accessor asked for, in this table and in every table handed out from it.

        Raises:
            CatalogError: the first such key, with the nearest known name.

        """
        for key in self._values:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                known = ", ".join(sorted(self._asked)) or "no key at all"
                fix = f"did you mean `{near[0]}`?" if near else f"known here: {known}"
                raise self.error(f"unknown key `{key}`; {fix}", key)
        for children in self._children.values():
            for child in children:
                child.done()

    def text(self, key: str, default: str | None = None, *, choices: Sequence[str] = ()) -> str:
        """Return text without surrounding blanks; one of ``choices`` where given. Required text is not empty."""
        value = self._take(key, str, "text", '"..."', default)
        if value != value.strip() or (not value and default is None):
            raise self.error(f"`{key}` must be text without blanks around it and not empty", key)
        if choices and value not in choices:
            raise self.error(f"`{key}` must be one of {', '.join(choices)}, not {value!r}", key)
        return value

    def maybe_text(self, key: str) -> str | None:
        """Return text, or None where the key is absent."""
        return self.text(key) if self._present(key) else None

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return ``true`` or ``false``."""
        return self._take(key, bool, "true or false", "true", default)

    def whole(self, key: str, default: int | None = None, *, least: int = 0, most: int = 2**53) -> int:
        """Return an integer from ``least`` to ``most``."""
        value = self._take(key, int, "an integer", str(least), default)
        if not least <= value <= most and value != default:
            raise self.error(f"`{key}` must be from {least} to {most}, not {_short(value)}", key)
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of text without repetitions."""
        return self._list(key, str, "text", default)

    def wholes(self, key: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Return a list of integers without repetitions."""
        return self._list(key, int, "integers", default)

    def day(self, key: str, default: date | None = None) -> date:
        """Return a date written as TOML writes dates, without quotes or time: ``2026-11-01``."""
        return self._take(key, date, "a date such as 2026-11-01 (no quotes, no time)", "2026-11-01", default)

    def maybe_day(self, key: str) -> date | None:
        """Return a date, or None where the key is absent."""
        return self.day(key) if self._present(key) else None

    def coarse_day(self, key: str) -> str:
        """Return a date as precise as its source: ``2026-11-01``, or in quotes ``"2026-11"`` or ``"2026"``."""
        value = self._values.get(key)
        if isinstance(value, str) and not _COARSE.fullmatch(value):
            raise self.error(f'`{key}` must be 2026-11-01, "2026-11" or "2026", not {value!r}', key)
        if isinstance(value, str):
            self._asked.add(key)
            return value
        return self.day(key).isoformat()

    def rate(self, key: str, default: int | None = None) -> int:
        """Return a price per 1M tokens, written as a decimal string, in pico-units per token."""
        return self._decimal(key, parse_rate, default)

    def maybe_rate(self, key: str) -> int | None:
        """Return a price per 1M tokens, or None where the key is absent."""
        return self.rate(key) if self._present(key) else None

    def amount(self, key: str, default: int | None = None) -> int:
        """Return an amount of money, written as a decimal string, in nano-units."""
        return self._decimal(key, parse_amount, default)

    def maybe_amount(self, key: str) -> int | None:
        """Return an amount of money, or None where the key is absent."""
        return self.amount(key) if self._present(key) else None

    def exchange_rate(self, key: str) -> int:
        """Return an exchange rate above zero, written as a decimal string, in nano-units."""
        return self._decimal(key, parse_fx, None)

    def known_flag(self, key: str) -> bool | None:
        """Return ``true`` or ``false``, None for ``"unknown"``."""
        return None if self._unknown(key) else self.flag(key)

    def known_whole(self, key: str, *, least: int = 0) -> int | None:
        """Return an integer, None for ``"unknown"``."""
        return None if self._unknown(key) else self.whole(key, least=least)

    def known_text(self, key: str, *, choices: Sequence[str] = ()) -> str | None:
        """Return text, None for ``"unknown"``."""
        return None if self._unknown(key) else self.text(key, choices=choices)

    def table(self, key: str) -> "Table":
        """Return a table, written under a header or inline."""
        values = self._take(key, dict, "a table", "{ ... }", None)
        if key not in self._children:
            self._children[key] = (Table(values, self._source, (*self._place, key)),)
        return self._children[key][0]

    def maybe_table(self, key: str) -> "Table | None":
        """Return a table, or None where the key is absent."""
        return self.table(key) if self._present(key) else None

    def tables(self, key: str) -> tuple["Table", ...]:
        """Return an array of tables, in the file's order; empty where the key is absent."""
        values: list[Any] = self._take(key, list, f"a list of tables ([[{key}]])", "[]", [])
        if key not in self._children:
            for index, value in enumerate(values):
                if not isinstance(value, dict):
                    place = (*self._place, key, index)
                    raise self._source.error(place, f"`{key}` must be a list of tables, not of {_kind(value)}")
            self._children[key] = tuple(
                Table(value, self._source, (*self._place, key, index)) for index, value in enumerate(values)
            )
        return self._children[key]

    def _present(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._values

    def _unknown(self, key: str) -> bool:
        self._asked.add(key)
        return bool(self._values.get(key) == UNKNOWN_WORD)

    def _take(self, key: str, kind: type[_T], what: str, example: str, default: _T | None) -> _T:
        if not self._present(key):
            if default is None:
                raise self.error(f"missing key `{key}`: add {key} = {example}")
            return default
        value = self._values[key]
        self._check(value, kind, what, key, (*self._place, key))
        return value  # type: ignore[no-any-return] # checked against ``kind`` in the line above

    def _check(self, value: object, kind: type, what: str, key: str, place: Place) -> None:
        if isinstance(value, float):
            message = f'`{key}` is a float, which holds no exact figure: write a decimal string such as "{value!r}"'
            raise self._source.error(place, message if kind is str else f"`{key}` must be {what}, not a float")
        plain = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if not plain or (kind is date and isinstance(value, datetime)):
            raise self._source.error(place, f"`{key}` must be {what}, not {_kind(value)}")

    def _list(self, key: str, kind: type[_T], what: str, default: tuple[_T, ...] | None) -> tuple[_T, ...]:
        if default is not None and not self._present(key):
            return default
        values: list[Any] = self._take(key, list, f"a list of {what}", "[]", None)
        for index, value in enumerate(values):
            place = (*self._place, key, index)
            self._check(value, kind, f"a list of {what}", key, place)
            if value in values[:index]:
                raise self._source.error(place, f"`{key}` names the same item twice")
        return tuple(values)

    def _decimal(self, key: str, parse: Callable[[str], int], default: int | None) -> int:
        if default is not None and not self._present(key):
            return default
        value = self._values.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            raise self.error(f'`{key}` must be a decimal string: write {key} = "{_short(value)}"', key)
        text = self._take(key, str, 'a decimal string such as "0.50"', '"0.50"', None)
        try:
            return parse(text)
        except InvalidAmountError as problem:
            raise self.error(f"`{key}`: {problem}", key) from problem


def _short(value: int) -> str:
    """Write an integer as text; one of thousands of digits would be refused by ``str`` itself."""
    return str(value) if abs(value) < 10**20 else "a number of more than 20 digits"


def parse_toml(text: str, path: str) -> Table:
    """Read TOML from text; ``path`` is the name that messages show.

    Raises:
        CatalogError: the text is not TOML.

    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        found = _AT_LINE.search(str(problem))
        line = int(found[1]) if found else text.rstrip("\n").count("\n") + 1
        raise CatalogError(path, line, f"not TOML: {_AT_LINE.sub('', str(problem)).strip()}") from problem
    except (ValueError, RecursionError) as problem:  # a number of thousands of digits, or nesting without end
        raise CatalogError(path, 1, f"not TOML that can be read: {type(problem).__name__}") from problem
    return Table(values, _Source(path, text))


def read_toml(file: Readable, path: str | None = None) -> Table:
    """Read a TOML file strictly; ``path`` is the name that messages show, by default the file's own.

    Raises:
        CatalogError: the file cannot be read, is not UTF-8 or is not TOML.

    """
    shown = path or str(file)
    try:
        raw = file.read_bytes()
    except OSError as problem:
        raise CatalogError(shown, 1, f"cannot be read: {problem.strerror or problem}") from problem
    try:
        text = raw.decode()
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise CatalogError(shown, line, "not UTF-8 text: save the file as UTF-8") from problem
    return parse_toml(text.replace("\r\n", "\n"), shown)
