"""The Markdown of ``docs/`` as pages with an address, a title and a description.

    docs/<name>.md, docs/concepts/<name>.md   ->  /docs/<name>
    docs/errors/<code>.md                     ->  /help/errors/<code>
    docs/decisions/<name>.md                  ->  /docs/decisions/<name>
    docs/site/<path>.md                       ->  /<path>           (index.md: the folder itself)

A page may begin with front matter, ``key: value`` lines between two ``---``: ``title``, ``description``, ``group`` and
``order``. Without it the first heading and the first paragraph serve. A link from file to file becomes a link from
address to address. Reading fails loudly where a file has no heading.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parents[1]
_HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_MARKS = re.compile(r"[`*]|\[([^\]]*)\]\([^)]*\)")
_MOST_DESCRIBED, _LEAST_DESCRIBED = 155, 25


class LibraryError(ValueError):
    """A page of the docs cannot be shown; the message names the file and the fix."""


@dataclass(frozen=True, slots=True)
class Document:
    """One Markdown page. ``place`` is its path below ``docs/``."""

    address: str
    place: str
    title: str
    description: str
    body: str  # Markdown without front matter, first heading included
    group: str
    order: int


def docs_folder() -> Path:
    """Return where the docs lie: in the wheel beside the package's code, else in the checkout."""
    packed = PACKAGE / "docs"
    return packed if packed.is_dir() else CHECKOUT / "docs"


def address_of(place: str) -> str:
    """Return the address of a file below ``docs/``."""
    stem = place.removesuffix(".md")
    folder, _, name = stem.rpartition("/")
    top = folder.partition("/")[0]
    if top == "site":
        inside = stem.removeprefix("site/")
        return "/" + inside.removesuffix("index").rstrip("/")
    if top == "errors":
        return "/help/errors" if name == "README" else f"/help/errors/{name}"
    if top == "concepts" or not folder:
        return f"/docs/{name}"
    return f"/docs/{stem}"


def plain(text: str) -> str:
    """Return Markdown's words without its marks."""
    return " ".join(_MARKS.sub(lambda hit: (hit[1] or "").replace("`", ""), text).split())


class Library:
    """All pages by address, read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._examples = folder.parent / "examples"  # beside the docs, in the checkout as in the wheel

    @cached_property
    def pages(self) -> Mapping[str, Document]:
        """Every page by its address.

        Of two files with one address the one that lies less deep is shown; a test forbids two.

        Raises:
            LibraryError: a file has no heading, or front matter that is not known.

        """
        found: dict[str, Document] = {}
        for page in self.documents():
            found.setdefault(page.address, page)
        return found

    def documents(self) -> list[Document]:
        """Read every file; those that lie less deep come first."""
        places = [path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*.md")]
        places.sort(key=lambda place: (place.count("/"), place))
        return [_document(self._folder / place, place) for place in places]

    def example(self, place: str) -> str | None:
        """Return the text of a file below ``examples/``; None for what is not there."""
        path = (self._examples / place).resolve()
        if not path.is_relative_to(self._examples.resolve()) or not path.is_file():
            return None
        return path.read_text(encoding="utf-8")

    def below(self, prefix: str) -> list[Document]:
        """Return the pages one level below an address, in their order."""
        found = [
            each
            for each in self.pages.values()
            if posixpath.dirname(each.address) == prefix.rstrip("/") and each.address != prefix
        ]
        return sorted(found, key=lambda each: (each.order, each.title.lower()))

    def title(self, page: Document, target: str) -> str | None:
        """Return the title of the page that a relative link leads to, as a sentence holds it."""
        found = self._at(page, target.partition("#")[0])
        return found.title if found is not None else None

    def link(self, page: Document, target: str) -> str | None:
        """Return the address that a relative link of a page leads to; None when that file has no page."""
        place, hash_mark, anchor = target.partition("#")
        if not place:
            return target
        found = self._at(page, place)
        return f"{found.address}{hash_mark}{anchor}" if found is not None else None

    def _at(self, page: Document, place: str) -> Document | None:
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(page.place), place))
        return next((each for each in self.pages.values() if each.place == wanted), None)


def _document(path: Path, place: str) -> Document:
    text = path.read_text(encoding="utf-8")
    front = _FRONT.match(text)
    facts = dict(_front_lines(front[1], place)) if front else {}
    body = text[front.end() :] if front else text
    heading = _HEADING.search(body)
    if heading is None:
        raise LibraryError(f"docs/{place} has no first heading: begin it with `# Title`")
    title = facts.get("title") or plain(heading[1])
    return Document(
        address=address_of(place),
        place=place,
        title=title,
        description=facts.get("description") or _first_words(body[heading.end() :], title),
        body=body,
        group=facts.get("group", ""),
        order=int(facts.get("order", "500")),
    )


def _front_lines(text: str, place: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon or name not in ("title", "description", "group", "order"):
            raise LibraryError(f"docs/{place}: front matter holds {line!r}; known are title, description, group, order")
        yield name, value.strip()


def _first_words(text: str, title: str) -> str:
    """Return the first paragraph of prose, cut at a word's end."""
    for block in re.split(r"\n\s*\n", text):
        words = plain(block)
        if words and not block.lstrip().startswith(("#", "|", "```", "<!--", "-", ">", "1.")):
            whole = ""
            for sentence in re.split(r"(?<=[.:;]) (?=[A-Z`])", words):
                if len(whole) + len(sentence) + 1 > _MOST_DESCRIBED:
                    break
                whole = f"{whole} {sentence}".strip()
            if len(whole) >= _LEAST_DESCRIBED:
                return whole.rstrip(":;")
            return words[:_MOST_DESCRIBED].rpartition(" ")[0].rstrip(",;:") + " …"
    return f"{title}: documentation of SmarToken."
