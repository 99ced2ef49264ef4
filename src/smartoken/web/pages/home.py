"""The front page: what it is, a first call, prices, and where to go next."""

from smartoken.web.pages.catalog import all_rows
from smartoken.web.render import SAMPLE_ADDRESS, Renderer, operator_of
from smartoken.web.resources import Answer, Asked
from smartoken.web.samples import first_samples
from smartoken.web.views import CURRENT, showcase

_SHOWN = 6


def home(renderer: Renderer, asked: Asked) -> Answer:
    """Return the front page."""
    site = renderer.site
    rows = all_rows(renderer)
    real = [each for each in rows if not each.play]
    quickstart = site.library.pages["/docs/quickstart"]
    samples = [
        renderer.code(text.replace(SAMPLE_ADDRESS, site.address), language, tab=name)
        for name, language, text in first_samples(quickstart.body)
    ]
    return renderer.page(
        "home.html",
        title=f"{operator_of(site).name}: one gateway for Chinese models",
        description=(
            "Call the Chinese model families through one OpenAI-compatible address, with hard budgets, "
            "fallback routes and the price of every call."
        ),
        path=asked.path,
        samples=samples,
        key_file=renderer.kept_in("demo-key") if site.data_dir is not None else "",
        shown=showcase(rows, _SHOWN),
        models=sum(each.status == CURRENT for each in real),
        families=len({each.family for each in real}),
        providers=len(site.catalog.providers),
        ready=sum(each.ready for each in real),
        cards=sum(each.play for each in rows),
        draining=site.not_ready(),
    )
