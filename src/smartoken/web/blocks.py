"""Blocks that Markdown asks for by name, made from the price book: no figure in the docs is typed."""

from collections.abc import Callable, Mapping
from html import escape

from smartoken.operations.served import ServedModel
from smartoken.web import figures, filters
from smartoken.web.markdown import code_block
from smartoken.web.pages.catalog import Mix, all_rows, cost_of
from smartoken.web.render import Renderer, operator_of

Block = Callable[[Renderer, Mapping[str, str]], str]


class BlockError(ValueError):
    """A block in the docs asks for something that is not there; the message names it."""


def _served(renderer: Renderer, facts: Mapping[str, str]) -> ServedModel:
    name = facts.get("model", "")
    found = renderer.site.directory.current.models.get(name.lower())
    if found is None:
        raise BlockError(f"a block names the model {name!r}, which is not in the catalog")
    return found


def models(renderer: Renderer, facts: Mapping[str, str]) -> str:
    """Return a table of models: of one family, with an ability, or those named."""
    rows = all_rows(renderer)
    if "ids" in facts:
        wanted = facts["ids"].split(",")
        by_id = {each.id: each for each in rows}
        missing = [each for each in wanted if each not in by_id]
        if missing:
            raise BlockError(f"a block names {', '.join(missing)}, not in the catalog")
        found = [by_id[each] for each in wanted]
    else:
        can = (facts["can"],) if "can" in facts else ()
        family = (facts["family"],) if "family" in facts else ()
        found = filters.apply(rows, filters.Filter(can=can, family=family))
        found = [each for each in found if not each.play]
    return str(renderer.piece("model_table.html", rows=found))


def cost(renderer: Renderer, facts: Mapping[str, str]) -> str:
    """Return what so many runs cost, with how it was worked out."""
    served = _served(renderer, facts)
    prompt, cached, answer = (int(facts.get(name, "0")) for name in ("prompt", "cached", "answer"))
    mix = Mix(prompt, cached, answer, calls=int(facts.get("runs", "1000")))
    total = cost_of(served, mix)
    shown = figures.dollars(total) if total is not None else figures.UNKNOWN
    of_them = f", {mix.cached:,} of them cached" if mix.cached else ""
    return (
        f'<p class="notice"><b>{shown}</b> for {mix.calls:,} runs with '
        f'<a href="/models/{escape(served.model.id)}">{escape(served.model.name)}</a>: {mix.prompt:,} tokens in'
        f"{of_them}, {mix.answer:,} out, at the list price of version <code>{escape(served.price_version)}</code>.</p>"
    )


def price(renderer: Renderer, facts: Mapping[str, str]) -> str:
    """Return a model's price in words."""
    served = _served(renderer, facts)
    band = figures.first_band(served.price)
    if band is None:
        return f"<p>The price of {escape(served.model.name)} is not known.</p>"
    rates = [figures.exact_price(each) for each in (band.input, figures.cached_rate(band), band.output)]
    return f"<p>{escape(served.model.name)}: {rates[0]} in, {rates[1]} cached, {rates[2]} out per 1M tokens.</p>"


_LANGUAGES = {".py": "python", ".txt": "text", ".toml": "toml", ".jsonl": "json", ".diff": "diff"}


def file(renderer: Renderer, facts: Mapping[str, str]) -> str:
    """Return a file of ``examples/`` as a sample: what is shown is what is run and what it printed."""
    place = facts.get("path", "")
    found = renderer.site.library.example(place)
    if found is None:
        raise BlockError(f"a block names the file examples/{place}, which is not there")
    suffix = f".{place.rpartition('.')[2]}"
    language = _LANGUAGES.get(suffix, "text")
    return code_block(found, language, f"examples/{place}" if language != "text" else "Output")


def operator(renderer: Renderer, facts: Mapping[str, str]) -> str:
    """Return what the operator's set-up file says of itself: its terms, its privacy policy, or where to ask."""
    said = operator_of(renderer.site)
    what = facts.get("what", "")
    if what == "support":
        if not said.support_email:
            return "<p>Ask whoever runs this server and gave you your key.</p>"
        mail = escape(said.support_email)
        return f'<p>Write to <a href="mailto:{mail}">{mail}</a>, with the id of the call.</p>'
    words = {"terms": ("terms", said.terms), "privacy": ("a privacy policy", said.privacy)}
    if what not in words:
        raise BlockError(f"a block asks for the operator's {what!r}; known are terms, privacy, support")
    named, address = words[what]
    if not address:
        return (
            f'<p class="notice">Whoever runs this server has not named {named} of their own. Operators set '
            f'<code>[site] {what}</code> in the <a href="/docs/setup-file">set-up file</a>.</p>'
        )
    link = f'<a href="{escape(address)}" rel="noopener">{escape(address.partition("//")[2] or address)}</a>'
    return f'<p class="notice">What {escape(said.name)} says on {what}: {link}</p>'


def ids(renderer: Renderer, facts: Mapping[str, str]) -> str:
    """Return OpenRouter's ids of the catalog's models beside ours, those that differ first."""
    del facts
    rows = []
    for served in renderer.site.models:
        model = served.model
        rows += [(each, model.id, model.name) for each in model.openrouter_ids]
    body = "".join(
        f'<tr><th scope="row"><code>{escape(theirs)}</code></th><td><code>{escape(ours)}</code></td>'
        f'<td><a href="/models/{escape(ours)}">{escape(name)}</a></td></tr>'
        for theirs, ours, name in sorted(rows, key=lambda row: (row[0] == row[1], row[0]))
    )
    return (
        '<div class="scroll tall" tabindex="0" role="region" aria-label="Ids of models"><table><thead><tr>'
        '<th scope="col">OpenRouter</th><th scope="col">Here</th><th scope="col">Model</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def flow(renderer: Renderer, facts: Mapping[str, str]) -> str:
    """Return steps in their order as a drawing: ``steps="First: what happens | Second: what then"``."""
    del renderer
    steps = [each.partition(":") for each in facts.get("steps", "").split(" | ") if each.strip()]
    if not steps:
        raise BlockError('a drawing has no steps; write steps="First: what happens | Second: what then"')
    drawn = "".join(
        f'<li><b>{escape(name.strip())}</b><span class="small muted">{escape(words.strip())}</span></li>'
        for name, _, words in steps
    )
    return f'<ol class="flow of-{len(steps)}">{drawn}</ol>'


BLOCKS: Mapping[str, Block] = {
    "models": models,
    "cost": cost,
    "price": price,
    "file": file,
    "flow": flow,
    "operator": operator,
    "openrouter-ids": ids,
}
