"""Set-up files by chance, as text written here and not by the product: every form of every section."""

import json

from hypothesis import strategies as st

from smartoken.identity.keys import mint

KEYS = [mint(bytes([number]) * 32) for number in range(40)]
ENVIRONMENT = {f"K{number}": key for number, key in enumerate(KEYS)} | {
    f"P{number}": f"up-{number}" for number in range(9)
}
words = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=12)
odd_words = st.one_of(words, st.sampled_from(['say "hi"', "back\\slash", "a # b", "naïve 模型", "x = 1"]))
amounts = st.decimals(0, 10**6, places=6).map(lambda each: f"{each:f}")
periods = st.sampled_from(["total", "day", "week", "month"])
slugs = st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True).filter(
    lambda each: each not in ("demo", "sandbox", "upstream")
)


def text(value) -> str:
    return json.dumps(value, ensure_ascii=False)


@st.composite
def price(draw, currency):
    flat = f'input = "{draw(amounts)}", output = "{draw(amounts)}"'
    if draw(st.booleans()):
        flat += f', cached_input = "{draw(amounts)}"'
    if draw(st.booleans()):
        bound = draw(st.integers(1, 10**6))
        bands = f"bands = [{{ up_to_prompt_tokens = {bound}, {flat} }}, {{ {flat} }}]"
        hours = (
            ', time_of_day = { zone = "Asia/Tokyo", peak = ["09:00-12:00"], weekdays = [1, 5], off_peak_percent = 5 }'
        )
        return f'{{ currency = "{currency}", {bands}{hours if draw(st.booleans()) else ""} }}'
    return f'{{ currency = "{currency}", {flat} }}'


@st.composite
def provider(draw, name, number):
    lines = ["[[provider]]", f"id = {text(name)}", 'dialect = "openai"', f'base_url = "https://up{number}.test/v1"']
    lines.append(f'keys = [{{ name = "main", secret = "env:P{number}", rpm = {draw(st.integers(0, 99))} }}]')
    if draw(st.booleans()):
        lines.append(f"timeouts = {{ idle_s = {draw(st.integers(1, 99))} }}")
    if draw(st.booleans()):
        lines.append('proxy = "http://proxy.test:3128"')
    return "\n".join(lines)


@st.composite
def model(draw, name, providers):
    lines = ["[[model]]", f'id = "gen/{name}"']
    if draw(st.booleans()):
        lines.append(f"name = {text(draw(odd_words))}")
    if draw(st.booleans()):
        lines.append(f"context = {draw(st.integers(1, 10**6))}")
    if draw(st.booleans()):
        lines.append(f"price = {draw(price('USD'))}")
    if draw(st.booleans()):
        lines.append("reasoning = { supported = true, can_disable = false, efforts = ['low', 'high'] }")
    chosen = draw(st.lists(st.sampled_from(providers), min_size=1, max_size=2, unique=True))
    shares = [100] if len(chosen) == 1 else [30, 70]
    for each, share in zip(chosen, shares, strict=True):
        lines += [
            "[[model.offer]]",
            f"provider = {text(each)}",
            f"upstream_model = {text(draw(words))}",
            f"share = {share}",
        ]
        if draw(st.booleans()):
            lines.append(f"cost = {draw(price('CNY'))}")
        if draw(st.booleans()):
            lines.append('policy = { region = "sg", trains = false }')
    return "\n".join(lines)


@st.composite
def account(draw, name, number):
    lines = ["[[account]]", f"id = {text(name)}", f"name = {text(draw(odd_words))}"]
    if draw(st.booleans()):
        lines += ['billing = "open"', f'credit_limit = "{draw(amounts)}"', 'timezone = "Asia/Shanghai"']
    if draw(st.booleans()):
        lines.append(f'balance = "{draw(amounts)}"')
    budgets = draw(st.dictionaries(periods, amounts, max_size=3))
    inside = ", ".join(f'{{ limit = "{limit}", period = "{period}" }}' for period, limit in budgets.items())
    lines.append(f"budgets = [{inside}]")
    for place, key in enumerate(draw(st.lists(words, max_size=3, unique_by=str.lower))):
        lines += ["[[account.key]]", f"name = {text(key)}"]
        if draw(st.booleans()):
            lines.append(f'secret = "env:K{number * 8 + place}"')
        if draw(st.booleans()):
            lines += [f'budget = "{draw(amounts)}"', f'period = "{draw(periods)}"']
        if draw(st.booleans()):
            lines += [
                f"owner = {text(draw(odd_words))}",
                "models = ['gen/*']",
                "allowed_ips = ['10.0.0.1', '10.0.0.0/8']",
                f"continuation = {str(draw(st.booleans())).lower()}",
            ]
        if draw(st.booleans()):
            lines += ["limits = { rpm = 3, concurrency = 1 }", "expires_at = '2027-01-31T12:00:00.125+08:00'"]
    return "\n".join(lines)


@st.composite
def setups(draw):
    """A whole file."""
    providers = draw(st.lists(slugs, min_size=1, max_size=2, unique=True))
    parts = [draw(provider(name, number)) for number, name in enumerate(providers)]
    models = draw(st.lists(slugs, max_size=3, unique=True))
    parts = [*([] if models else ["model = []"]), *parts, *(draw(model(name, providers)) for name in models)]
    accounts = draw(st.lists(slugs, max_size=3, unique=True))
    parts += [draw(account(name, number)) for number, name in enumerate(accounts)]
    if draw(st.booleans()):
        parts.append(f"[site]\nname = {text(draw(odd_words))}\nshow_providers = false")
    if draw(st.booleans()):
        rate = draw(st.integers(1, 10**9))
        parts.append(f'[[fx]]\npair = "CNY/USD"\nrate = "0.{rate:09d}"\nvalid_from = 2026-11-05\nsource = "chance"')
    return "\n".join(parts) + "\n"
