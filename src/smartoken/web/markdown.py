"""Markdown to HTML: headings with anchors, tables that scroll, coloured samples, tabs, notes, and generated blocks.

HTML in Markdown is shown as text, never taken over. A line ``<!-- name key=value ... -->`` alone is a *block*: the
caller renders it (a table of prices, a cost), so no figure in the docs is typed. Neighbouring fences that say
``tab="Python"`` become one group of tabs; without JavaScript they stand below each other, each with its name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

from smartoken.web.colours import coloured

BlockMaker = Callable[[str, Mapping[str, str]], str]
LinkMaker = Callable[[str], str | None]
_BLOCK = re.compile(r"^<!-- ([a-z-]+)((?: [a-z_]+=(?:\"[^\"]*\"|[^\s\"]+))*) -->$", re.MULTILINE)
_COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)
_PAIR = re.compile(r"([a-z_]+)=(?:\"([^\"]*)\"|([^\s\"]+))")
_TABLE = re.compile(r"<table>\n<thead>(.*?)</thead>", re.DOTALL)
_WIDE = 3  # columns from which a table is stacked on a phone
_PLACE = "smartokenblock{}end"
_NOTE = re.compile(r"<blockquote>\s*<p>\[!(NOTE|TIP|WARNING|FIX)\]\s*")
_NOTES = {"NOTE": "Note", "TIP": "Tip", "WARNING": "Warning", "FIX": "What to do"}
_NAMES = {"ts": "TypeScript", "python": "Python", "bash": "Shell", "console": "Terminal", "json": "JSON"}
_NAMES |= {"toml": "TOML", "text": "Output", "": "", "csv": "CSV", "http": "HTTP", "nginx": "nginx", "diff": "Diff"}


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading for "on this page"."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page's HTML, without its first heading, and its headings."""

    html: str
    title_html: str
    headings: tuple[Heading, ...]


def slug(text: str, taken: set[str]) -> str:
    """Return an anchor for a heading that no other of the page has."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name)
    return name


def code_block(text: str, language: str, name: str | None = None, tab: str | None = None) -> str:
    """Return one coloured sample with its name, and room for the copy button that the script adds."""
    inside = coloured(text, language)
    prompt = " data-prompt" if language == "console" else ""
    label = tab or name or _NAMES.get(language, language)
    mark = f' data-tab="{escape(tab)}"' if tab else ""
    head = f'<div class="caption">{escape(label)}</div>' if label else ""
    region = f' role="region" aria-label="{escape(label or "Sample")}"'
    return f'<div class="code"{mark}>{head}<pre tabindex="0"{region}><code{prompt}>{inside}</code></pre></div>'


class Writer:
    """Renders pages of one library; it keeps nothing between them."""

    def __init__(self, block: BlockMaker) -> None:
        self._block = block
        self._parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")

    def render(
        self, text: str, link: LinkMaker, replaced: Mapping[str, str], title_of: LinkMaker | None = None
    ) -> Rendered:
        """Return a page's HTML. ``link`` turns targets into addresses; ``replaced`` holds words to put in.

        ``title_of`` tells the title behind a target: a link that is called by its file's name gets it.
        """
        for word, value in replaced.items():
            text = text.replace(word, value)
        blocks: list[str] = []

        def lift(hit: re.Match[str]) -> str:
            facts = {pair[1]: pair[2] if pair[2] is not None else pair[3] for pair in _PAIR.finditer(hit[2])}
            blocks.append(self._block(hit[1], facts))
            return "\n" + _PLACE.format(len(blocks) - 1) + "\n"

        text = _BLOCK.sub(lift, text)
        text = _COMMENT.sub("", text)
        tokens = self._parser.parse(text)
        headings, title = _anchor(tokens)
        _label(tokens)
        _relink(tokens, link, title_of or (lambda _target: None))
        html = self._html(tokens)
        html = _NOTE.sub(lambda hit: f'<blockquote class="note {hit[1].lower()}"><p><b>{_NOTES[hit[1]]}.</b> ', html)
        html = _TABLE.sub(_labelled, html)
        html = html.replace("</table>", "</table></div>")
        html = re.sub(r"<th(?=[ >])", '<th scope="col"', html)
        html = re.sub(r"<th scope=\"col\"([^>]*)></th>", r"<td\1></td>", html)  # a corner heads nothing
        for number, block in enumerate(blocks):
            html = html.replace(f"<p>{_PLACE.format(number)}</p>", block)
        html = _tell_apart(html)
        return Rendered(html, title, tuple(headings))

    def _html(self, tokens: list[Token]) -> str:
        """Render token by token, so that neighbouring fences with tabs can be joined."""
        parts: list[str] = []
        group: list[str] = []
        plain: list[Token] = []

        def flush_plain() -> None:
            if plain:
                parts.append(str(self._parser.renderer.render(plain, self._parser.options, {})))
                plain.clear()

        def flush_group() -> None:
            if group:
                parts.append(f'<div class="tabs">{"".join(group)}</div>')
                group.clear()

        for token in tokens:
            if token.type not in ("fence", "code_block"):
                flush_group()
                plain.append(token)
                continue
            flush_plain()
            language, _, rest = token.info.strip().partition(" ")
            facts = {pair[1]: pair[2] if pair[2] is not None else pair[3] for pair in _PAIR.finditer(rest)}
            html = code_block(token.content, language, facts.get("title"), facts.get("tab"))
            if "tab" in facts:
                group.append(html)
            else:
                flush_group()
                parts.append(html)
        flush_plain()
        flush_group()
        return "".join(parts)


def _tell_apart(html: str) -> str:
    """Give the regions that scroll numbers, so that a screen reader can list them."""
    seen: dict[str, int] = {}

    def numbered(hit: re.Match[str]) -> str:
        seen[hit[1]] = seen.get(hit[1], 0) + 1
        return f'role="region" aria-label="{hit[1]} {seen[hit[1]]}"'

    return re.sub(r'role="region" aria-label="([^"]*)"', numbered, html)


def _anchor(tokens: list[Token]) -> tuple[list[Heading], str]:
    """Give headings their anchors; take the first out, which the page shows by itself."""
    headings: list[Heading] = []
    taken: set[str] = set()
    title, at, first = "", 0, True
    while at < len(tokens):
        token = tokens[at]
        if token.type == "heading_open":
            inline = tokens[at + 1]
            text = "".join(each.content for each in inline.children or [])
            if token.tag == "h1" and first:
                first = False
                title = text
                del tokens[at : at + 3]
                continue
            level = int(token.tag[1])
            anchor = slug(text, taken)
            token.attrSet("id", anchor)
            if level in (2, 3):
                headings.append(Heading(level, text, anchor))
        at += 1
    return headings, title


def _relink(tokens: list[Token], link: LinkMaker, title: LinkMaker) -> None:
    for token in tokens:
        for place, child in enumerate(token.children or []):
            if child.type != "link_open":
                continue
            target = str(child.attrGet("href") or "")
            if re.match(r"[a-z]+:", target):
                child.attrSet("rel", "noopener")
                continue
            if target.startswith(("/", "#")):
                continue
            child.attrSet("href", link(target) or "#")
            _name_by_title(token.children or [], place, target, title)


def _name_by_title(children: list[Token], place: int, target: str, title_of: LinkMaker) -> None:
    """Call a link by its page's title where it is called by its file, as a reader of the files finds it."""
    inside = children[place + 1] if place + 1 < len(children) else None
    if inside is not None and inside.type == "text" and re.fullmatch(r"[a-z0-9./-]+\.md", inside.content):
        inside.content = title_of(target) or inside.content


def _label(tokens: list[Token]) -> None:
    """Give the cells of wide tables the heads of their columns, which a phone shows beside them."""
    heads: list[str] = []
    column = 0
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            heads = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            children = tokens[place + 1].children or []
            if children and children[0].type == "text":  # a head of a table begins with a capital, code stays as it is
                children[0].content = children[0].content[:1].upper() + children[0].content[1:]
            text = "".join(each.content for each in children)
            heads.append(text)
        elif token.type == "td_open":
            if len(heads) >= _WIDE and column and heads[column]:
                token.attrSet("data-label", heads[column])
            column += 1


def _labelled(hit: re.Match[str]) -> str:
    stacked = " stacked" if hit[1].count("<th") >= _WIDE else ""
    return f'<div class="scroll{stacked}" tabindex="0" role="region" aria-label="Table">{hit[0]}'
