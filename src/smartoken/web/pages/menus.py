"""The menus beside a page: the docs by group, and for every other part of the site the pages next to it."""

from collections import defaultdict

from smartoken.errors import SmartokenError, all_errors
from smartoken.web.render import Renderer

Menu = list[tuple[str, list[tuple[str, str]]]]  # groups: a heading, then (title, address)
GROUPS = ("Start", "Concepts", "Guides", "Migrate", "Reference", "Operate")
_DEFAULT_GROUP = "Operate"
_HIDDEN = ("/docs/decisions",)
# Made by the program beside the Markdown: address, title, group, what it says.
MADE = (
    ("/docs/api", "API reference", "Reference", "Every endpoint under /api/v1, made from our own OpenAPI."),
    (
        "/docs/abilities",
        "What each model takes",
        "Reference",
        "Tools, JSON, images, thinking: model by model.",
    ),
    ("/help/errors", "Errors", "Reference", "Every code with its cause, its fix, and whether it is billed."),
    ("/docs/errors/upstream", "Provider errors", "Reference", "What providers' own codes mean and what happens then."),
    ("/docs/provider-keys", "Provider keys from abroad", "Start", "Host, company and currency of each provider."),
    ("/migrate/check", "Migration check", "Migrate", "Paste a request; see each field that differs and what to write."),
)
# Pages without front matter, since they are also read as files: where they stand in the menu.
PLACED = {
    "/docs/acceptance": ("Operate", 90),
    "/docs/quickstart": ("Start", 1),
    "/docs/clients": ("Start", 30),
    "/docs/routing": ("Concepts", 85),
    "/docs/operating": ("Guides", 30),
    "/docs/sandbox": ("Guides", 40),
    "/docs/drills": ("Guides", 50),
    "/docs/billing": ("Concepts", 80),
    "/docs/commands": ("Reference", 20),
    "/docs/configuration": ("Reference", 10),
    "/docs/setup-file": ("Reference", 30),
    "/docs/metrics": ("Reference", 40),
    "/docs/glossary": ("Reference", 90),
    "/docs/catalog": ("Reference", 50),
    "/docs/dialects": ("Reference", 60),
}
SHORT = {
    "/docs/acceptance": "Acceptance list",
    "/docs/campaigns": "Campaigns",
    "/docs/dialects": "Dialects",
    "/docs/setup-file": "Set-up file",
    "/docs/v1": "Calls: /v1",
}
# Errors by whose matter they are; a code that no line names stands under the last one.
ERROR_GROUPS = (
    ("Key and access", "invalid_api_key key_expired key_paused key_revoked account_suspended ip_not_allowed"),
    ("", "model_not_allowed permission_denied"),
    ("Money", "insufficient_balance budget_exceeded request_exceeds_budget in_flight_budget_exhausted"),
    ("", "ledger_unavailable"),
    ("Model and provider", "model_not_found model_not_configured model_not_priced no_compliant_route"),
    ("", "upstream_unavailable upstream_timeout upstream_cut content_filtered"),
    ("Campaigns", "code_not_redeemable not_eligible"),
    ("The gateway", "shutting_down internal_error"),
    ("The request", ""),
)


def codes() -> dict[str, list[type[SmartokenError]]]:
    """Return the classes of every error code, by status."""
    found: dict[str, list[type[SmartokenError]]] = defaultdict(list)
    for each in sorted(all_errors(), key=lambda kind: (kind.status, kind.code)):
        found[each.code].append(each)
    return found


def grouped_codes() -> list[tuple[str, list[str]]]:
    """Return every error code under the heading of whose matter it is."""
    known = codes()
    found: list[tuple[str, list[str]]] = []
    for name, words in ERROR_GROUPS:
        named = [each for each in words.split() if each in known]
        if name:
            found.append((name, named))
        else:
            found[-1][1].extend(named)
    taken = {each for _, named in found for each in named}
    found[-1][1].extend(each for each in known if each not in taken)
    return found


def docs_menu(renderer: Renderer) -> Menu:
    """Return the docs' menu: groups with (title, address) in order."""
    return renderer.once("docs menu", lambda: _docs_menu(renderer))


def _docs_menu(renderer: Renderer) -> Menu:
    found: dict[str, list[tuple[int, str, str]]] = {name: [] for name in GROUPS}
    made = {address for address, *_ in MADE}
    for page in renderer.site.library.pages.values():
        if not page.address.startswith(("/docs/", "/migrate/")) or page.address.startswith(_HIDDEN):
            continue
        if page.address in made:
            continue
        group, order = PLACED.get(page.address, (page.group or _DEFAULT_GROUP, page.order))
        found.setdefault(group, []).append((order, SHORT.get(page.address, page.title), page.address))
    for address, title, group, _ in MADE:
        found[group].append((25, title, address))
    return [(name, [(title, address) for _, title, address in sorted(rows)]) for name, rows in found.items() if rows]


def errors_menu() -> Menu:
    """Return the menu of the errors."""
    start = [("All errors", "/help/errors"), ("Provider errors", "/docs/errors/upstream")]
    return [("Errors", start), *((name, [(e, f"/help/errors/{e}") for e in named]) for name, named in grouped_codes())]


def menu_beside(renderer: Renderer, address: str) -> Menu:
    """Return what stands beside a page of Markdown."""
    if address.startswith(("/docs/", "/migrate/")):
        return docs_menu(renderer)
    if address.startswith(("/use-cases", "/tutorials")):
        return [
            ("Use cases", _below(renderer, "/use-cases")),
            ("Tutorials", _below(renderer, "/tutorials")),
        ]
    if address.startswith("/help"):
        return [
            ("Help", [("Questions", "/help"), ("Production", "/help/production"), ("Errors", "/help/errors")]),
            ("Provider", [("Provider errors", "/docs/errors/upstream"), ("Provider keys", "/docs/provider-keys")]),
            ("This server", [("Status", "/status"), ("Changelog", "/changelog")]),
        ]
    about = [("Capabilities", "/capabilities"), ("Status", "/status"), ("Changelog", "/changelog")]
    return [("About", about), ("Rules", [("Terms", "/terms"), ("What is kept", "/privacy")])]


def _below(renderer: Renderer, prefix: str) -> list[tuple[str, str]]:
    return [(each.title, each.address) for each in renderer.site.library.below(prefix)]
