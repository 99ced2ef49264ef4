"""Pages that are Markdown: docs, concepts, use cases, tutorials, policies; and the reference made from OpenAPI."""

from smartoken.web import openapi
from smartoken.web.library import Document
from smartoken.web.render import SAMPLE_ADDRESS, Renderer
from smartoken.web.resources import Answer, Asked, text_answer

GROUPS = ("Start", "Concepts", "Guides", "Migrate", "Reference", "Operate")
_DEFAULT_GROUP = "Operate"
_HIDDEN = ("/docs/decisions",)
# Made by the program beside the Markdown: address, title, group.
MADE = (
    ("/docs/api", "API reference", "Reference"),
    ("/help/errors", "Errors", "Reference"),
    ("/docs/errors/upstream", "Provider errors", "Reference"),
    ("/docs/provider-keys", "Provider keys from abroad", "Start"),
    ("/migrate/check", "Migration check", "Migrate"),
)
# Pages without front matter, since they are also read as files: where they stand in the menu.
PLACED = {
    "/docs/acceptance": ("Operate", 90),
    "/docs/quickstart": ("Start", 1),
    "/docs/clients": ("Start", 30),
    "/docs/sandbox": ("Guides", 40),
    "/docs/billing": ("Concepts", 80),
    "/docs/commands": ("Reference", 20),
    "/docs/configuration": ("Reference", 10),
    "/docs/setup-file": ("Reference", 30),
    "/docs/metrics": ("Reference", 40),
    "/docs/glossary": ("Reference", 90),
    "/docs/catalog": ("Reference", 50),
    "/docs/dialects": ("Reference", 60),
}

SHORT = {"/docs/acceptance": "Acceptance list", "/docs/dialects": "Dialects", "/docs/setup-file": "Set-up file"}


def menu(renderer: Renderer) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the docs' menu: groups with (title, address) in order."""
    found: dict[str, list[tuple[int, str, str]]] = {name: [] for name in GROUPS}
    made = {address for address, _, _ in MADE}
    for page in renderer.site.library.pages.values():
        if not page.address.startswith(("/docs/", "/migrate/")) or page.address.startswith(_HIDDEN):
            continue
        if page.address in made:
            continue
        group, order = PLACED.get(page.address, (page.group or _DEFAULT_GROUP, page.order))
        found.setdefault(group, []).append((order, SHORT.get(page.address, page.title), page.address))
    for address, title, group in MADE:
        found[group].append((25, title, address))
    return [(name, [(title, address) for _, title, address in sorted(rows)]) for name, rows in found.items() if rows]


def index(renderer: Renderer, asked: Asked) -> Answer:
    """Return the front page of the docs."""
    descriptions = {each.address: each.description for each in renderer.site.library.pages.values()}
    return renderer.page(
        "docs.html",
        title="Documentation",
        description="Quickstart, concepts, guides, reference: every setting, command, error and metric of SmarToken.",
        path=asked.path,
        groups=menu(renderer),
        descriptions=descriptions,
    )


def document(renderer: Renderer, asked: Asked) -> Answer | None:
    """Return a page of the docs."""
    page = renderer.site.library.pages.get(asked.path)
    if page is None:
        return None
    in_docs = page.address.startswith(("/docs/", "/migrate/"))
    return renderer.page(
        "document.html",
        title=page.title,
        description=page.description,
        path=asked.path,
        document=page,
        rendered=renderer.markdown(page),
        groups=menu(renderer) if in_docs else [],
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
        groups=menu(renderer),
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
        groups=menu(renderer),
        operations=found,
        topics=list(topics),
    )
