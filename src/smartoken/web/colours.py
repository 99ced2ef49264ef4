"""Samples with colours, as spans with short class names; what has no lexer stays as it is."""

from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_FORMATTER = HtmlFormatter(nowrap=True, classprefix="t-")


def coloured(text: str, language: str) -> str:
    """Return a sample as HTML, escaped."""
    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False)
    except ClassNotFound:
        return escape(text)
    return str(highlight(text, lexer, _FORMATTER))
