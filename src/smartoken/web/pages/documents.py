"""Pages that are Markdown: docs, concepts, use cases, tutorials, policies; and the reference made from OpenAPI."""

from smartoken.web import openapi
from smartoken.web.library import Document
from smartoken.web.pages.menus import MADE, docs_menu, menu_beside
from smartoken.web.render import SAMPLE_ADDRESS, Renderer
from smartoken.web.resources import Answer, Asked, text_answer


def index(renderer: Renderer, asked: Asked) -> Answer:
    """Return the front page of the docs."""
    descriptions = {each.address: each.description for each in renderer.site.library.pages.values()}
    descriptions |= {address: said for address, _, _, said in MADE}
    return renderer.page(
        "docs.html",
        title="Documentation",
        description="Quickstart, concepts, guides, reference: every setting, command, error and metric of SmarToken.",
        path=asked.path,
        groups=docs_menu(renderer),
        descriptions=descriptions,
    )


def document(renderer: Renderer, asked: Asked) -> Answer | None:
    """Return a page of the docs."""
    page = renderer.site.library.pages.get(asked.path)
    if page is None:
        return None
    return renderer.page(
        "document.html",
        title=page.title,
        description=page.description,
        path=asked.path,
        document=page,
        rendered=renderer.markdown(page),
        groups=menu_beside(renderer, page.address),
        up=_up(renderer, page),
    )


def _up(renderer: Renderer, page: Document) -> tuple[str, str]:
    """Return the title and address of the page above."""
    above = page.address.rpartition("/")[0] or "/"
    titles = {"/docs": "Docs", "/help": "Help", "/help/errors": "Errors", "/use-cases": "Use cases", "/": "Home"}
    titles |= {"/tutorials": "Tutorials", "/families": "Model families"}
    if above in titles:
        return titles[above], above
    found = renderer.site.library.pages.get(above)
    return (found.title, above) if found is not None else ("Docs", "/docs")


def source(renderer: Renderer, asked: Asked) -> Answer | None:
    """Return a page's Markdown, with this server's own address in its samples."""
    page = renderer.site.library.pages.get(asked.path.removesuffix(".md"))
    if page is None:
        return None
    text = page.body.replace(SAMPLE_ADDRESS, renderer.site.address).replace("{{BASE_URL}}", renderer.site.address)
    return text_answer(text, "text/markdown; charset=utf-8")


def _listed(renderer: Renderer, asked: Asked, title: str, description: str) -> Answer:
    return renderer.page(
        "listed.html",
        title=title,
        description=description,
        path=asked.path,
        pages=renderer.site.library.below(asked.path),
    )


def use_cases(renderer: Renderer, asked: Asked) -> Answer:
    """Return the list of use cases."""
    said = "What teams build on Chinese models: the problem, a model, the code, and what a thousand runs cost."
    return _listed(renderer, asked, "Use cases", said)


def tutorials(renderer: Renderer, asked: Asked) -> Answer:
    """Return the list of tutorials."""
    return _listed(renderer, asked, "Tutorials", "Step by step, each with code that is run as a test of this product.")


def api(renderer: Renderer, asked: Asked) -> Answer:
    """Return the reference: how calls are made, and every endpoint by topic, from our own OpenAPI."""
    return renderer.page(
        "api.html",
        title="API reference",
        description="Every endpoint of SmarToken: calls under /v1, accounts and administration under /api/v1.",
        path=asked.path,
        groups=docs_menu(renderer),
        topics=openapi.topics(renderer.site.openapi()),
    )


def api_topic(renderer: Renderer, asked: Asked) -> Answer | None:
    """Return one topic of the reference, with the fields of bodies and answers."""
    topics = openapi.topics(renderer.site.openapi())
    found = topics.get(asked.parts["topic"])
    if found is None:
        return None
    name = asked.parts["topic"].replace("-", " ")
    return renderer.page(
        "api_topic.html",
        title=f"API: {name}",
        description=f"The endpoints for {name} under /api/v1: what they take, what they answer, which right they need.",
        path=asked.path,
        groups=docs_menu(renderer),
        operations=found,
        topics=list(topics),
    )
