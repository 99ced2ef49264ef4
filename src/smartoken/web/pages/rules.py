"""The rules of a campaign as everybody may read them, made from the terms that decide."""

from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked

STATES = {
    "scheduled": ("It has not begun yet.", ""),
    "running": ("It is running.", "ok"),
    "paused": ("It is paused: nothing is given until it goes on.", "warn"),
    "ended": ("It has ended: nothing is given any more. Grants that were given stay as they are.", "bad"),
}


def campaign(renderer: Renderer, asked: Asked) -> Answer | None:
    """Return a published campaign's rules; a draft has no page."""
    found = renderer.site.campaign(asked.parts["slug"])
    if found is None:
        return None
    said, colour = STATES[found["state"]]
    _, _, text = found["rules"].partition("\n\n")
    return renderer.page(
        "campaign.html",
        kept=False,  # its state follows the clock
        title=f"{found['name']}: rules",
        description=f"The rules of the campaign {found['name']}: who gets what, for which models, until when.",
        path=asked.path,
        name=found["name"],
        said=said,
        colour=colour,
        state=found["state"],
        terms=found["terms"],
        rules_version=found["rules_version"],
        lines=[line for line in text.splitlines() if line],
    )
