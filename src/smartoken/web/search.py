"""Search over docs, models and errors: an index in memory, no third party, the query in the address. Pure.

A page scores by where the words stand: title, headings, then text, there by how often. Every word must stand
somewhere, as the beginning of a word; of three words or more one may be missing. Words that say nothing are passed
over. The index of a few hundred pages is a list; reading it all takes about a millisecond.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[a-z0-9][a-z0-9._/-]*")
_TITLE, _HEADING, _OFTEN = 12, 5, 4  # a word counts in the text as often as it stands there, up to the last
_MAY_MISS = 3  # words from which one may be missing
_SILENT = "a an and are can do does for from how i in is it my of on or the to was what why with you"
_EMPTY = frozenset(_WORD.findall(_SILENT))
_MOST, _AROUND = 20, 100
_DECISION = "Decision"  # why it is so: read after how it is


@dataclass(frozen=True, slots=True)
class Entry:
    """One page of the index, in lower case where it is searched."""

    kind: str  # "Docs", "Model", "Error", "Decision"
    title: str
    address: str
    headings: str
    text: str
    said: str  # shown where no passage fits better

    @property
    def searched(self) -> tuple[str, str, str]:
        """Title, headings with the description, and text in lower case."""
        return f"{self.title} {self.address}".lower(), f"{self.headings} {self.said}".lower(), self.text.lower()


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search."""

    entry: Entry
    passage: str
    score: int
    parts: tuple[tuple[str, bool], ...] = ()  # the passage in pieces, and whether a piece was searched for


def words_of(query: str) -> list[str]:
    """Return the words of a query."""
    words = _WORD.findall(query.lower())[:12]
    return [each for each in words if each not in _EMPTY][:8] or words[:8]


def search(entries: Iterable[Entry], query: str) -> list[Hit]:
    """Return the best hits, best first."""
    words = words_of(query)
    if not words:
        return []
    patterns = [re.compile(rf"(?<![a-z0-9]){re.escape(word)}") for word in words]
    found = []
    for entry in entries:
        score = _score(entry, patterns, words)
        if score:
            named = all(each.search(entry.searched[0]) for each in patterns)
            said = entry.said if named else passage(entry, patterns)
            found.append(Hit(entry, said, score, marked(said, words)))
    return sorted(found, key=lambda hit: (hit.entry.kind == _DECISION, -hit.score, hit.entry.title))[:_MOST]


def marked(text: str, words: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Return a text in pieces, each with whether it begins with a word that was searched for."""
    both = "|".join(re.escape(each) for each in sorted(words, key=len, reverse=True))
    pieces = re.split(rf"(?<![a-z0-9])({both})", text, flags=re.IGNORECASE)
    return tuple((piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece)


def _score(entry: Entry, patterns: Sequence[re.Pattern[str]], words: Sequence[str]) -> int:
    title, headings, text = entry.searched
    total = missing = 0
    for pattern, word in zip(patterns, words, strict=True):
        if pattern.search(title):
            total += _TITLE + (_TITLE if word in title.split() else 0)
        elif pattern.search(headings):
            total += _HEADING
        elif found := len(pattern.findall(text)):
            total += min(found, _OFTEN)
        else:
            missing += 1
    if missing > int(len(words) >= _MAY_MISS):
        return 0
    return total if not missing else total // 2


def passage(entry: Entry, patterns: Sequence[re.Pattern[str]]) -> str:
    """Return the words around the first hit in the text."""
    lowered = entry.text.lower()
    hit = next((each for each in (pattern.search(lowered) for pattern in patterns) if each is not None), None)
    if hit is None:
        return entry.said
    begin, end = max(0, hit.start() - _AROUND), hit.end() + _AROUND
    piece = entry.text[begin:end]
    if begin:
        piece = "… " + piece.partition(" ")[2]
    if end < len(entry.text):
        piece = piece.rpartition(" ")[0] + " …"
    return piece
