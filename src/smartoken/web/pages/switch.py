"""The migration check: paste a request or a snippet, read what to change. Nothing that is pasted is kept."""

from difflib import get_close_matches

from smartoken.web.linter import MAX_TEXT, lint
from smartoken.web.pages.menus import docs_menu
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked
from smartoken.web.views import CURRENT

SAMPLE = """\
from openai import OpenAI

client = OpenAI(base_url="https://openrouter.ai/api/v1", api_key=os.environ["OPENROUTER_API_KEY"])
answer = client.chat.completions.create(
    model="{model}:nitro",
    messages=[{{"role": "user", "content": "Hello"}}],
    extra_headers={{"HTTP-Referer": "https://example.com", "X-Title": "My app"}},
    extra_body={{
        "models": ["{model}"],
        "provider": {{"data_collection": "deny"}},
        "reasoning": {{"effort": "high"}},
    }},
)
"""


def check(renderer: Renderer, asked: Asked) -> Answer:
    """Return the form, with the findings where something was pasted."""
    site = renderer.site
    directory = site.directory.current
    text = asked.form.get("text", "")[:MAX_TEXT]

    def known(name: str) -> str | None:
        served = directory.models.get(name.lower())
        if served is not None:
            return served.model.id
        alias = directory.aliases.get(name.lower())
        return alias.model if alias is not None else None

    def near(name: str) -> list[str]:
        ids = {each.model.id.lower(): each.model.id for each in site.models if each.model.status == CURRENT}
        last = {each.rpartition("/")[2]: each for each in ids}
        alike = get_close_matches(name.lower().rpartition("/")[2], last, n=2, cutoff=0.5)
        return [ids[last[each]] for each in alike]

    example = next((each.openrouter_ids[0] for each in site.catalog.models.values() if each.openrouter_ids), "")
    shown = text or SAMPLE.format(model=example)
    return renderer.page(
        "check.html",
        kept=not asked.form,
        title="Migration check",
        description="Paste a request or an SDK snippet from OpenRouter or OpenAI: each field that changes, and how.",
        path=asked.path,
        text=shown,
        lines=min(max(shown.count("\n") + 2, 10), 28),
        report=lint(text, site.address, known, near) if text.strip() else None,
        groups=docs_menu(renderer),
    )
