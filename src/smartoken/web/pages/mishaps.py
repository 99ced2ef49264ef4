"""What a visitor sees when there is no page, or when one failed."""

from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked

_PLAIN = "text/plain; charset=utf-8"


def no_page(renderer: Renderer, asked: Asked) -> Answer:
    """Say that nothing is at an address, with ways on."""
    return renderer.page(
        "mishap.html",
        status=404,
        title="Page not found",
        description="There is no page at this address.",
        path=asked.path,
        said="There is no page at this address. It may have moved, or a model may have another id.",
    )


def wrong_method(renderer: Renderer, asked: Asked) -> Answer:
    """Say that a page is only read."""
    return renderer.page(
        "mishap.html",
        status=405,
        title="This page is only read",
        description="Pages take GET requests.",
        path=asked.path,
        said="Pages take GET. Calls go to /v1, administration to /api/v1.",
    )


def failed() -> Answer:
    """Say that rendering failed; without the layout, which may be what failed."""
    return Answer(
        b"This page failed to render. The server's log holds the reason. Try again in a moment.\n", _PLAIN, 500
    )


def not_here() -> Answer:
    """Refuse a host name that is not ours, or a form that cannot be read."""
    said = b"This host name is not served here. Set SMARTOKEN_PUBLIC_URL to the address that visitors use.\n"
    return Answer(said, _PLAIN, 400)
