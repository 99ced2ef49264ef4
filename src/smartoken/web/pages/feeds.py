"""What programs read: llms.txt, the site map, robots.txt."""

from html import escape

from smartoken.errors import all_errors
from smartoken.web import openapi
from smartoken.web.pages.catalog import all_rows
from smartoken.web.pages.menus import docs_menu
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked, moved, text_answer

_MADE = (
    "/",
    "/models",
    "/models/compare",
    "/families",
    "/pricing",
    "/docs",
    "/docs/abilities",
    "/docs/api",
    "/docs/errors/upstream",
    "/docs/provider-keys",
    "/migrate/check",
    "/help",
    "/help/errors",
    "/status",
    "/use-cases",
    "/tutorials",
    "/changelog",
)


def addresses(renderer: Renderer) -> list[str]:
    """Return the address of every page for people, once each."""
    site = renderer.site
    rows = all_rows(renderer)
    families = sorted({f"/families/{each.family}" for each in rows if not each.play})
    known = {f"/help/errors/{each.code}" for each in all_errors()}
    documents = [each for each in site.library.pages if not each.startswith("/help/errors/") or each in known]
    topics = [f"/docs/api/{each}" for each in openapi.topics(site.openapi())]
    return list(dict.fromkeys((*_MADE, *documents, *topics, *families, *(each.path for each in rows))))


def sitemap(renderer: Renderer, asked: Asked) -> Answer:
    """Return the site map."""
    del asked
    site = renderer.site
    urls = "".join(f"<url><loc>{escape(site.address + each)}</loc></url>" for each in addresses(renderer))
    head = '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    return Answer(f"{head}{urls}</urlset>\n".encode(), "application/xml; charset=utf-8")


def robots(renderer: Renderer, asked: Asked) -> Answer:
    """Return what crawlers may read: pages, not the interfaces."""
    del asked
    closed = "".join(f"Disallow: {each}\n" for each in ("/v1/", "/api/", "/search"))
    return text_answer(f"User-agent: *\n{closed}Sitemap: {renderer.site.address}/sitemap.xml\n")


def llms(renderer: Renderer, asked: Asked) -> Answer:
    """Return the site for language models: every page of the docs as Markdown, and the exports."""
    del asked
    address = renderer.site.address
    pages = renderer.site.library.pages
    lines = [
        "# SmarToken",
        "",
        "> One OpenAI-compatible gateway for Chinese model families, with hard budgets, fallback routes and the exact",
        "> price of every call. Set `base_url` and `model` in the OpenAI SDK.",
        "",
        f"- Base URL: {address}/v1",
        f"- Models as JSON: {address}/models.json",
        f"- Prices as JSON: {address}/pricing.json",
        f"- Control API: {address}/api/openapi.json",
    ]
    for name, rows in docs_menu(renderer):
        lines += ["", f"## {name}", ""]
        for title, link in rows:
            page = pages.get(link)
            lines.append(
                f"- [{title}]({address}{link}{'.md' if page else ''})" + (f": {page.description}" if page else "")
            )
    return text_answer("\n".join(lines) + "\n")


def favicon(renderer: Renderer, asked: Asked) -> Answer:
    """Lead browsers that ask the old way to the icon."""
    del asked
    return moved(f"/assets/{renderer.site.assets.stamp}/icon.svg")
