"""Templates and what they share: the layout's facts, filters for figures, and Markdown with generated blocks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from smartoken.web import figures
from smartoken.web.library import Document
from smartoken.web.markdown import Rendered, Writer, code_block
from smartoken.web.resources import Answer, Site

TEMPLATES = Path(__file__).resolve().parent / "templates"
# Set before the first paint, so that a chosen theme never flashes; the policy for content allows it by its hash.
THEME_LINE = 'try{var t=localStorage.getItem("theme");if(t)document.documentElement.dataset.theme=t}catch(e){}'
# A word of the menu, where it leads, and the beginnings of the addresses that it stands for.
MENU = (
    ("Models", "/models", ("/models", "/families")),
    ("Pricing", "/pricing", ("/pricing",)),
    ("Docs", "/docs", ("/docs", "/migrate")),
    ("Use cases", "/use-cases", ("/use-cases", "/tutorials")),
    ("Help", "/help", ("/help",)),
    ("Status", "/status", ("/status",)),
)
PRODUCT = "SmarToken"
T = TypeVar("T")
KEY_FILES = ("demo-key", "first-real-call")
SAMPLE_ADDRESS = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs this server, as the set-up file names them."""

    name: str
    logo: str
    support_email: str
    terms: str
    privacy: str


def operator_of(site: Site) -> Operator:
    """Return who runs this server; the product's own name stands where none was set."""
    said = site.directory.current.site
    words = {name: said.get(name, "") for name in ("logo", "support_email", "terms", "privacy")}
    return Operator(said.get("name", PRODUCT), **words)


class Renderer:
    """Turns facts into pages of the site."""

    def __init__(self, site: Site, blocks: Mapping[str, Callable[["Renderer", Mapping[str, str]], str]]) -> None:
        self.site = site
        self._blocks = blocks
        self._jinja = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters = ("price", "exact_price", "dollars", "amount_text", "tokens", "day", "region", "yes_no", "hours_words")
        self._jinja.filters.update({name: getattr(figures, name) for name in (*filters, "cited")})
        self._jinja.globals.update(menu=MENU, theme_line=Markup(THEME_LINE), unknown=figures.UNKNOWN)  # noqa: S704 - ours
        self._made: tuple[object, dict[str, Any]] = (None, {})
        self._writer = Writer(self._block)
        self._document = lru_cache(maxsize=64)(self._render_document)

    def page(self, template: str, /, *, status: int = 200, kept: bool = True, **facts: Any) -> Answer:
        """Return a page from its template; ``title``, ``description`` and ``path`` are asked of every caller."""
        shared = {
            "stamp": self.site.assets.stamp,
            "built": self.site.assets.built,
            "address": self.site.address,
            "version": self.site.version,
            "operator": operator_of(self.site),
        }
        html = self._jinja.get_template(template).render({**shared, **facts})
        return Answer(html.encode(), status=status, kept=kept)

    def piece(self, template: str, **facts: Any) -> Markup:
        """Return a part of a page."""
        return Markup(self._jinja.get_template(template).render(facts))  # noqa: S704 - an escaping template's output

    def code(self, text: str, language: str, tab: str | None = None) -> Markup:
        """Return a coloured sample."""
        return Markup(code_block(text, language, tab=tab))  # noqa: S704 - escaped where it is made

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what is made once for each directory."""
        current = self.site.directory.current
        if self._made[0] is not current:
            self._made = (current, {})
        made = self._made[1]
        if name not in made:
            made[name] = make()
        found: T = made[name]
        return found

    def kept_in(self, name: str) -> str:
        """Return where a file of the data dir lies, as a shell takes it."""
        return quote(str(self.site.data_dir / name)) if self.site.data_dir is not None else f"data/{name}"

    def markdown(self, document: Document) -> Rendered:
        """Return a document's HTML as it stands with the present directory."""
        return self._document(document, id(self.site.directory.current))

    def _render_document(self, document: Document, _directory: int) -> Rendered:
        replaced = {SAMPLE_ADDRESS: self.site.address, "{{BASE_URL}}": self.site.address}
        for name in KEY_FILES if self.site.data_dir is not None else ():
            replaced[f"$(cat data/{name})"] = f"$(cat {self.kept_in(name)})"
        library = self.site.library
        return self._writer.render(
            document.body,
            lambda target: library.link(document, target),
            replaced,
            lambda target: library.title(document, target),
        )

    def _block(self, name: str, facts: Mapping[str, str]) -> str:
        maker = self._blocks.get(name)
        return maker(self, facts) if maker is not None else ""  # any other comment is a comment
