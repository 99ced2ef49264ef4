"""The most that a call can cost, before it is made, and how much to hold for it. Pure.

The bound is the dearest point of what the call may become: any prompt up to ``prompt_bound``, any answer up to the
limit, both together within the context, with or without thinking, at any of the candidate prices. Bands make the price
jump and fall, so the end of the range is not always the dearest place: within a band the cost is linear, hence its
corners are asked, and those beside the bands tried before it.

A token of a byte-level tokenizer covers at least one byte, so the bytes of the text plus the template's frame are never
fewer than its tokens. That is three to four times too many for English, which is why a call that names no limit holds
little at first and more as its answer is counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from smartoken.billing.prices import Tariff, Tier
from smartoken.money import PICO_PER_NANO

FIRST_STEP = 4_096  # output tokens held at first, and added at a time, while an answer can be counted as it comes
BLIND_STEP = 32_768  # held for an answer that cannot be counted before it is whole
LEAST_TOKENS = 256  # an answer of which less is affordable is not begun
FAIR_STEP = 2_048  # output tokens that one call may hold at least, where they fit, however little money there is
SHARES = 32  # beyond that, what was left open takes at most this part of the money, so that many calls start at once
CUT_MARGIN = 64  # tokens that one more event of a stream may bring
UNLIMITED = 10_000_000  # the largest output limit that a request may name; stands in where nothing is known


class UnboundedError(ValueError):
    """Neither the context nor a limit says how much the call may become."""


class Reach(NamedTuple):
    """How far a call may go, its answer's length aside.

    ``context`` bounds prompt and one answer together; ``choices`` answers are paid for one prompt. ``thinking`` is
    None where either may happen.
    """

    prompt: int
    context: int | None
    choices: int = 1
    thinking: bool | None = None


class Wish(NamedTuple):
    """What a call says about the length of its answer, and what is known of its model; tokens of one choice.

    ``limit``: what the client sent, None when it sent none. ``max_output``: the model's own, None when unknown, which
    counts as the whole context. ``beyond``: tokens of thinking that the vendor's limit leaves out, 0 when it covers
    them or none are made, None when nothing bounds them. ``countable``: the answer is streamed, its thinking is seen.
    """

    limit: int | None
    max_output: int | None
    beyond: int | None = 0
    countable: bool = True


class HoldPlan(NamedTuple):
    """What to hold before the call; tokens of one choice.

    ``tokens`` are covered by ``nano``. ``ceiling`` is as far as the hold may have to grow, ``tokens`` when it never
    grows. ``send_limit`` goes upstream (None: send none). ``told`` is the limit to show to the client, because money
    set it below the model's own.
    """

    nano: int
    tokens: int
    ceiling: int
    send_limit: int | None
    told: int | None


class TooDear(NamedTuple):
    """Not even the shortest answer fits the money offered; ``need_nano`` is what it would hold."""

    need_nano: int


class Growth(NamedTuple):
    """A larger hold: ``tokens`` of one choice that it covers then, and the ``more_nano`` that it takes."""

    tokens: int
    more_nano: int


def text_bytes(text: str) -> int:
    """Return the bytes of a text in UTF-8, an upper bound of its tokens; a lone surrogate counts its three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def prompt_bound(texts: Iterable[str], *, overhead: int, context: int | None, media: int | None = 0) -> int:
    """Return the most prompt tokens that the texts can become.

    ``texts`` is every text that reaches the model, tool schemas and response schemas as JSON among them; ``overhead``
    the frame that the dialect's template adds; ``media`` the most tokens of pictures and the like by the model's
    table, None where there is no table.

    Raises:
        UnboundedError: media without a table in a model whose context is unknown.

    """
    if media is None:
        if context is None:
            raise UnboundedError("media without a table and without a context has no bound")
        return context
    total = sum(map(text_bytes, texts)) + overhead + media
    return total if context is None else min(total, context)


def bound(tariffs: Sequence[Tariff], reach: Reach, output: int | None, fees_nano: int = 0) -> int:
    """Return the most that the call can cost, in nano-units, with answers of at most ``output`` tokens a choice.

    ``output`` None means up to the context. ``fees_nano`` are fixed fees of the call.

    Raises:
        UnboundedError: neither a limit nor a context is known.
        ValueError: no tariff, or tariffs of several currencies.

    """
    if output is None:
        output = reach.context
    if len(tariffs) == 1 and output is not None:
        plainly = _of_one_band(tariffs[0], reach, output)
        if plainly is not None:
            return plainly + fees_nano
    elif len({each.currency for each in tariffs}) != 1:
        raise ValueError("a bound needs tariffs of one currency")
    if output is None:
        raise UnboundedError("an answer without limit and without context has no bound")
    return _bound(tariffs, reach, output) + fees_nano


def _of_one_band(tariff: Tariff, reach: Reach, output: int) -> int | None:
    """Return the bound of a price of one band where prompt and answers fit the context together; None elsewhere."""
    tiers, context = tariff.plain, reach.context
    if len(tiers) != 1 or tariff.thinking is not tiers:
        return None
    prompt, _, choices, _ = reach
    if context is not None and (prompt > context - output or output > context):
        return None
    tier = tiers[0]
    if tier.up_to_prompt is not None or tier.up_to_output is not None:
        return None
    pico = prompt * tier.rates.dearest_input + output * choices * tier.rates.output
    return -(-pico // PICO_PER_NANO)


def _bound(tariffs: Sequence[Tariff], reach: Reach, output: int) -> int:
    """Return the bound, whatever the bands are."""
    in_all = output * reach.choices
    pico = 0
    for tariff in tariffs:
        if reach.thinking is not True:
            pico = max(pico, _dearest(tariff.plain, reach, in_all))
        # Most prices make no difference between the two, and then the bands are the very same.
        if reach.thinking is True or (reach.thinking is None and tariff.thinking is not tariff.plain):
            pico = max(pico, _dearest(tariff.thinking, reach, in_all))
    return -(-pico // PICO_PER_NANO)


def _dearest(tiers: Sequence[Tier], reach: Reach, output: int) -> int:
    pico = 0
    for place, tier in enumerate(tiers):
        pico = max(pico, _dearest_in(tier, tiers[:place], reach, output))
    return pico


def _dearest_in(tier: Tier, before: Sequence[Tier], reach: Reach, output: int) -> int:
    """Return the dearest point of one band, 0 where the call cannot get there."""
    pico = 0
    for prompt, answers in _corners(tier, before, reach, output):
        if not before or not any(each.fits(prompt, answers) for each in before):
            pico = max(pico, prompt * tier.rates.dearest_input + answers * tier.rates.output)
    return pico


class BandBound(NamedTuple):
    """The most that a call can cost within one band of a price; ``thinking`` None where it makes no difference."""

    tier: Tier
    thinking: bool | None
    nano: int


def bound_by_band(tariff: Tariff, reach: Reach, output: int) -> list[BandBound]:
    """Return the most that the call can cost in each band that it can reach, answers of ``output`` tokens a choice."""
    kinds: list[tuple[bool | None, Sequence[Tier]]] = [(None, tariff.plain)]
    if tariff.thinking is not tariff.plain:
        kinds = [(False, tariff.plain), (True, tariff.thinking)]
    found = []
    for thinking, tiers in kinds:
        for place, tier in enumerate(tiers):
            pico = _dearest_in(tier, tiers[:place], reach, output * reach.choices)
            if pico or len(tiers) == 1:
                found.append(BandBound(tier, thinking, -(-pico // PICO_PER_NANO)))
    return found


def _corners(tier: Tier, before: Sequence[Tier], reach: Reach, output: int) -> Iterator[tuple[int, int]]:
    """Yield the points of a band among which its dearest one is.

    What a band may hold is a box cut by the context. A band tried before it takes a box at the origin away, so the
    dearest point that is left lies on the far edge: at an end of it, or right beside what was taken.
    """
    most = reach.prompt if tier.up_to_prompt is None else min(reach.prompt, tier.up_to_prompt)
    answers = output if tier.up_to_output is None else min(output, tier.up_to_output)
    context, choices = reach.context, reach.choices
    if context is None:
        yield most, answers
        return
    most = min(most, context)
    answers = min(answers, context * choices)
    least = context - -(-answers // choices)  # the longest prompt beside the longest answers
    if most <= least:
        yield most, answers
        return
    yield least, answers
    edges = {least + 1, most}
    for each in before:
        if each.up_to_prompt is not None:
            edges.add(each.up_to_prompt + 1)
        if each.up_to_output is not None:
            edges.add(context - each.up_to_output // choices - 1)
    for prompt in edges:
        if least <= prompt <= most:
            yield prompt, min(answers, choices * (context - prompt))


def affordable(tariffs: Sequence[Tariff], reach: Reach, available_nano: int, most: int) -> int:
    """Return the longest answer a choice, up to ``most`` tokens, whose bound the money covers; -1 if not even none."""
    dearest = bound(tariffs, reach, most)
    if dearest <= available_nano:
        return most
    least = bound(tariffs, reach, 0)
    if least > available_nano:
        return -1
    low, high = 0, most
    crossing = (available_nano - least) * most // (dearest - least)  # where a price of one band has the answer
    for guess in (crossing, crossing + 1):
        if low < guess < high:
            if bound(tariffs, reach, guess) <= available_nano:
                low = guess
            else:
                high = guess
    while high - low > 1:
        middle = (low + high) // 2
        if bound(tariffs, reach, middle) <= available_nano:
            low = middle
        else:
            high = middle
    return low


def first_hold(tariffs: Sequence[Tariff], reach: Reach, wish: Wish, available_nano: int) -> HoldPlan | TooDear:
    """Decide what to hold before the call.

    A limit that the client sent is never changed and is held in full, whatever is available: whether the money is
    there is admission's question. What the client left open (the whole answer, or the thinking that a limit leaves out)
    is held in part: ``FIRST_STEP`` when it can be counted as it comes and the hold can grow, else ``BLIND_STEP``, less
    where that is more than a fair share, and never more than the money buys.
    """
    fixed_plan = whole_hold(tariffs, reach, wish)
    if fixed_plan is not None:
        return fixed_plan
    context = UNLIMITED if reach.context is None else reach.context
    answer = context if wish.max_output is None else wish.max_output
    fixed, left_open = _parts(wish, answer, context)
    fits = affordable(tariffs, reach, available_nano, fixed + left_open)
    least = min(LEAST_TOKENS, left_open)
    if fits < fixed + least:
        return TooDear(bound(tariffs, reach, fixed + least))
    step = FIRST_STEP if wish.countable else BLIND_STEP
    fair = Fair(fixed + min(left_open, FAIR_STEP), min(fixed + min(left_open, step), fits))
    tokens = _share(tariffs, reach, fair, available_nano)
    in_all = fits if wish.countable else tokens
    send = wish.limit if wish.limit is not None else min(answer, max(least, in_all - (wish.beyond or 0)))
    told = send if wish.limit is None and send < answer else None
    nothing_known = wish.limit is None and wish.max_output is None and send >= answer
    send_limit = None if nothing_known else send
    ceiling = _ceiling(wish, send, fixed + left_open) if wish.countable else tokens
    return HoldPlan(bound(tariffs, reach, tokens), tokens, max(tokens, ceiling), send_limit, told)


def whole_hold(tariffs: Sequence[Tariff], reach: Reach, wish: Wish) -> HoldPlan | None:
    """Return the hold of a call whose limit is held in full, whatever is available; None where money decides."""
    limit, _, beyond, countable = wish
    if limit is None or beyond is None or (beyond and countable):
        return None
    whole = limit + beyond
    return HoldPlan(bound(tariffs, reach, whole), whole, whole, limit, None)


class Fair(NamedTuple):
    """The tokens of one choice that a call may hold in any case, and those that it would like to."""

    sure: int
    wanted: int


def _share(tariffs: Sequence[Tariff], reach: Reach, fair: Fair, available_nano: int) -> int:
    """Return the tokens to hold out of those that fit: those wanted, unless many calls at once could not do so."""
    sure, wanted = fair
    if sure >= wanted or bound(tariffs, reach, wanted) * SHARES <= available_nano:
        return wanted
    return max(sure, affordable(tariffs, reach, available_nano // SHARES, wanted))


def _parts(wish: Wish, answer: int, context: int) -> tuple[int, int]:
    """Return the tokens to hold in full and those left open."""
    if wish.limit is not None:
        most = max(context - wish.limit, 0)  # of thinking beside a limit, where nothing but the context bounds it
        return wish.limit, most if wish.beyond is None else wish.beyond
    if wish.beyond is None:
        return 0, max(answer, context)
    if wish.countable:
        return 0, answer + wish.beyond
    return wish.beyond, answer


def _ceiling(wish: Wish, send: int, most: int) -> int:
    if wish.beyond is None:
        return most
    return min(most, send + wish.beyond)


def wants_more(plan: HoldPlan, held_tokens: int, counted: int, choices: int = 1) -> bool:
    """Whether a growing answer comes near its hold: 1.25 x counted + 256 tokens, since counting errs by up to a fifth.

    ``held_tokens`` are those of one choice, ``counted`` of all choices, thinking included.
    """
    if held_tokens >= plan.ceiling:
        return False
    return counted * 5 // 4 + LEAST_TOKENS >= held_tokens * choices


def safe_below(plan: HoldPlan, held_tokens: int, choices: int = 1) -> int:
    """Return a count below which a growing answer is not near its hold, by ``wants_more``; holds only grow."""
    if held_tokens >= plan.ceiling:
        return held_tokens * choices
    return (held_tokens * choices - LEAST_TOKENS) * 4 // 5


def next_hold(
    plan: HoldPlan, tariffs: Sequence[Tariff], reach: Reach, held_tokens: int, spare_nano: int
) -> Growth | None:
    """Return by how much a growing hold grows: a step, a fair share of ``spare_nano``, or what it still buys.

    None when it buys not one more token a choice; the hold stays as it is.
    """
    held_nano = bound(tariffs, reach, held_tokens)
    wanted = min(held_tokens + FIRST_STEP, plan.ceiling)
    spare_nano = max(0, spare_nano)
    tokens = affordable(tariffs, reach, held_nano + spare_nano, wanted)
    if tokens <= held_tokens:
        return None
    sure = min(held_tokens + FAIR_STEP, tokens)
    if sure < tokens and (bound(tariffs, reach, tokens) - held_nano) * SHARES > spare_nano:
        tokens = max(sure, affordable(tariffs, reach, held_nano + spare_nano // SHARES, tokens))
    return Growth(tokens, bound(tariffs, reach, tokens) - held_nano)


def must_stop(plan: HoldPlan, held_tokens: int, counted: int, choices: int = 1) -> bool:
    """Whether an answer whose hold could not be extended has used it up, and ends with ``length``."""
    if held_tokens >= plan.ceiling:
        return False
    return counted * 5 // 4 + CUT_MARGIN >= held_tokens * choices


def ignores_limit(plan: HoldPlan, counted: int, choices: int = 1) -> bool:
    """Whether an upstream went on beyond all that was allowed: 1.25 x the limit + 256 tokens; it is cut."""
    limit = plan.ceiling * choices
    return counted > limit * 5 // 4 + LEAST_TOKENS
