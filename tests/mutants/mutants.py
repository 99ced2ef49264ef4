"""Bugs that money's core must not have, each as one change of its source. The unit tests must notice every one.

Several were real: the names of other gateways' issues stand in the design of the money engine. A mutant whose text is
no longer in the source, or is there twice, is an error and not a pass.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One bug: in which file of ``smartoken/billing`` which text becomes which."""

    file: str
    name: str
    old: str
    new: str


_BUGS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "prices.py": (
        ("cached tokens are charged twice", "fresh = prompt - cached - write", "fresh = prompt - write"),
        ("the last prompt token of a band is in the next", "prompt <= self.up_to_prompt", "prompt < self.up_to_prompt"),
        ("the last answer token of a band is in the next", "output <= self.up_to_output", "output < self.up_to_output"),
        ("the peak hour's end is still peak", "start <= clock < end", "start <= clock <= end"),
        ("holidays are working days", "if hours.holidays is not None and is_holiday", "if False and is_holiday"),
        ("hours are judged in UTC", "local = at.astimezone(ZoneInfo(hours.zone))", "local = at"),
        ("a promotion ends a day early", ".date() > promotion.until", ".date() >= promotion.until"),
        ("a promotion is forgotten", "hour * promotion // (HUNDRED * HUNDRED)", "hour // HUNDRED"),
        (
            "a cache read that is free costs the input rate",
            "band.input if rate is None else rate",
            "rate or band.input",
        ),
        (
            "each token is rounded up",
            "pico += completion * found.output",
            "pico += completion * -(-found.output // 1000) * 1000",
        ),
        ("thinking is priced as plain", "return self.thinking if thinking else self.plain", "return self.plain"),
        ("CNY is taken for USD", "convert_nano(charged.nano, fx_nano)", "charged.nano"),
    ),
    "bound.py": (
        (
            "the hold is priced by the first band",
            "enumerate(tiers):\n        pico = max(",
            "enumerate(tiers[:1]):\n        pico = max(",
        ),
        ("the hold assumes the cached price", "dearest_input + answers", "cached_input + answers"),
        ("the hold forgets that a cache write is dearer", "dearest_input + answers", "input + answers"),
        ("one band is held at the cached price", "dearest_input + output * choices", "cached_input + output * choices"),
        (
            "one band forgets that a cache write is dearer",
            "dearest_input + output * choices",
            "input + output * choices",
        ),
        ("one band holds one answer for many", "+ output * choices * tier", "+ output * tier"),
        ("one band holds more than the context", "prompt > context - output or output > context", "False"),
        (
            "one band is rounded down",
            "return -(-pico // PICO_PER_NANO)\n\n\ndef _bound",
            "return pico // PICO_PER_NANO\n\n\ndef _bound",
        ),
        ("the first of many takes all the money", "available_nano // SHARES, wanted))", "available_nano, wanted))"),
        ("a growing hold takes all the money", "spare_nano // SHARES, tokens))", "spare_nano, tokens))"),
        ("one answer is held for many", "in_all = output * reach.choices", "in_all = output"),
        ("thinking is not held for", "(reach.thinking is None and tariff", "(False and tariff"),
        (
            "the bound is rounded down",
            "return -(-pico // PICO_PER_NANO)\n\n\ndef _dearest(",
            "return pico // PICO_PER_NANO\n\n\ndef _dearest(",
        ),
        ("fees are not held for", "reach, output) + fees_nano", "reach, output)"),
        ("one band holds no fees", "return plainly + fees_nano", "return plainly"),
        ("only the first offer is held for", "for tariff in tariffs:", "for tariff in tariffs[:1]:"),
        ("characters are taken for tokens", 'else len(text.encode("utf-8", "surrogatepass"))', "else len(text)"),
        ("the client's limit is changed", "whole = limit + beyond", "whole = min(limit, 4_096) + beyond"),
        ("thinking beside the limit is not held", "whole = limit + beyond", "whole = limit"),
        ("too little money still begins an answer", "if fits < fixed + least:", "if fits < fixed:"),
        ("a step more is held than the money buys", "min(fixed + min(left_open, step), fits)", "fixed + step"),
        ("the limit sent is the model's", "min(answer, max(least, in_all - (wish.beyond or 0)))", "answer"),
        ("a hold grows only when it is used up", "+ LEAST_TOKENS >= held_tokens * choices", ">= held_tokens * choices"),
        ("a hold grows beyond its ceiling", "min(held_tokens + FIRST_STEP, plan.ceiling)", "held_tokens + FIRST_STEP"),
    ),
    "ledger.py": (
        ("a transfer need not balance", "if sum(each.nano for each in self.postings) != 0:", "if False:"),
        ("reversals have no bound", "if returned + nano > original.moved:", "if nano > original.moved:"),
        ("refunds have no bound", "if returned + nano > original.paid_by_funds:", "if nano > original.paid_by_funds:"),
        ("the ledger trusts what is taken back", "if returned[original.id] > most:", "if False:"),
        ("an overrun is refunded to the customer", "and is_fund(each.book))", "and each.book)"),
        ("the first that paid is refunded first", "in reversed([posting", "in list([posting"),
        ("an id may stand for two transfers", "if known.repeats(transfer):", "if known:"),
        ("goodwill can be paid out", "max(0, min(available, deposited - withdrawn))", "max(0, available)"),
        ("held money is taken", "now = min(nano, max(unheld, 0))", "now = nano"),
        ("a reversal takes held money", "min(nano, max(unheld, 0))\n    if take", "nano\n    if take"),
        (
            "a claw-back goes to breakage",
            "grant_id), PROMO, nano), nano, unheld)",
            "grant_id), BREAKAGE, nano), nano, unheld)",
        ),
        ("an overrun is revenue from nowhere", "Posting(OVERRUN, -overrun)", "Posting(ABSORBED, -overrun)"),
        ("a wallet may not use its last nano", "< floors.get(each.book, 0)", "<= floors.get(each.book, 0)"),
        (
            "a fund may fall below zero",
            "is_fund(each.book) and balances[place] < floors",
            "False and balances[place] < floors",
        ),
        ("more than the debt is written off", "if nano > max(0, -balance):", "if False:"),
    ),
    "grants.py": (
        ("paid money burns before promotional", "not fund.promotional, fund.id", "fund.promotional, fund.id"),
        ("what never expires burns first", "fund.priority, never,", "fund.priority, not never,"),
        ("what expires later burns first", "fund.expires_ms or 0,", "-(fund.expires_ms or 0),"),
        ("priority does not matter", "return fund.priority, never", "return 0, never"),
        ("a grant is spent at its expiry", "fund.expires_ms <= at_ms", "fund.expires_ms < at_ms"),
        ("a grant is spent before it begins", "return begun and not expired", "return not expired"),
        (
            "a model's name need only begin so",
            "fullmatch(name) for each in fund.models)",
            "match(name) for each in fund.models)",
        ),
        ("every grant pays for every model", "return not fund.models or any(", "return True or any("),
    ),
    "windows.py": (
        ("the window is not in the row's key", ":{window.period}:{window.start_ms}", ":{window.period}"),
        ("the period is not in the row's key", ":{window.period}:{window.start_ms}", ":{window.start_ms}"),
        ("days are those of UTC", "at.astimezone(found).date()", "at.astimezone(UTC).date()"),
        ("weeks begin on Sunday", "timedelta(days=day.weekday())", "timedelta(days=day.isoweekday() % 7)"),
        ("months have thirty-one days", "(first + timedelta(days=31)).replace(day=1)", "first + timedelta(days=31)"),
        ("a change of zone applies at once", "if current.end is None or at < current.end:", "if current.end is None:"),
        ("a change of zone gives a second limit", "begins - natural.start > end - begins", "False"),
    ),
    "budgets.py": (
        ("an alert is told twice", "used_before * 100 < limit * each", "used_before * 100 <= limit * each"),
        ("an alert comes late", "limit * each <= used_now * 100", "limit * each < used_now * 100"),
    ),
    "admission.py": (
        (
            "a small call is trusted",
            "    short = False\n",
            "    short = False\n    windows = windows if bound > 4 else ()\n",
        ),
        ("a rich caller is trusted", "rest = bound\n", "rest = 0 if funds and funds[0].free > 20 * bound else bound\n"),
        ("what fits exactly is refused", "if each.free < bound or each.blocked:\n", "if each.free <= bound:\n"),
        ("a budget of zero is no budget", "or each.blocked:\n            short", "or False:\n            short"),
        (
            "only the first window counts",
            "short = False\n    for each in windows:\n",
            "short = False\n    for each in windows[:1]:\n",
        ),
        ("a call starts though funds are short", "if short or rest or not funds:", "if short or not funds:"),
        ("held money is told as spent", "max(0, each.limit - each.used)  # a", "each.free  # a"),
        (
            "an overdrawn fund drinks from another",
            "sum(max(0, each.limit - each.used) for",
            "sum(each.limit - each.used for",
        ),
        ("more is leased than is free", "if need > free or free <= 0:", "if free <= 0:"),
        ("one of many workers takes all", "free // (2 * workers)", "free"),
        ("a late charge passes its limits", "min((charge, *(each.free for each in windows)))", "charge"),
    ),
    "leases.py": (
        ("what calls hold is held again by the next", "fund.amount - fund.in_calls < bound", "fund.amount < bound"),
        (
            "one fund is enough whatever the window says",
            "if lease.blocked or lease.amount - lease.in_calls < bound:",
            "if False:",
        ),
        ("a window of nothing admits", "if lease.blocked or lease.amount", "if lease.amount"),
        ("a hold is not released", "lease.in_calls -= held", "lease.in_calls -= paid"),
        ("a call may settle twice", "        hold.open = False\n", ""),
        ("a charge goes past its hold", "rest = paid = min(charge, held)", "rest = paid = charge"),
        ("a window is not charged", "self._leave(lease, held, paid)", "self._leave(lease, held, 0)"),
        ("a lease pays and stays whole", "lease.amount -= paid", "pass"),
        ("a flush forgets what came during it", "lease.spent -= each.spent", "lease.spent = 0"),
        ("what is charged is free before its record is stored", "lease.amount + lease.spent - now", "lease.amount"),
        ("an answer grows past its budget", "self._take(more, hold.windows,", "self._take(more, (),"),
        ("other workers' leases are ours", "max(0, facts.held - lease.stored)", "0"),
        ("held money is given back", "max(0, lease.free - keep)", "max(0, lease.amount - keep)"),
        (
            "a lowered limit is not seen",
            "if lease.excess:\n            lease.shed()\n            self",
            "if False:\n            self",
        ),
        ("idle is what was just used", ">= after_ms", ">= 0"),
        ("a lease is forgotten under a call", "each.amount or each.calls or", "each.amount or"),
        ("a row never seen admits what is free", "self.blocked = True", "self.blocked = False"),
        ("a later fund burns first when it is leased", "if in_order and found.shares[-1][0]", "if False"),
        (
            "what waits for a flush looks like room",
            "self.used - self.spent - self.in_calls",
            "self.used - self.in_calls",
        ),
        ("a worker with charges to store is at rest", "any(each.calls or each.spent for", "any(each.calls for"),
        ("a worker with calls under way is at rest", "any(each.calls or each.spent for", "any(each.spent for"),
        ("a flush of some rows takes all", "self._dirty if rows is None else", "self._dirty if True else"),
        ("a flush pays what no record says", "lease.spent if paid is None else min(", "lease.spent if True else min("),
        ("the last second's spend is forgotten", "self.pace = self.taken if", "self.pace = 0 if"),
        ("a clock that was set back keeps counting", "if not 0 <= passed < _SECOND_MS:", "if passed >= _SECOND_MS:"),
        ("a negative charge is taken", "        if charge < 0:\n", "        if False:\n"),
        (
            "a settled hold still grows",
            'if not hold.open:\n            raise HoldClosedError("a settled',
            'if False:\n            raise HoldClosedError("a settled',
        ),
        ("given-back money is asked for before it is there", "self.others - self.stored", "self.others - self.amount"),
        (
            "a lowered limit is forgotten while calls hold it",
            "if lease.excess:\n            lease.shed()\n        self",
            "if False:\n            lease.shed()\n        self",
        ),
    ),
    "codes.py": (
        ("swapped characters pass the check", "total = _times_x(total) ^ each", "total ^= each"),
        ("the check is not checked", "or _checksum(values) != 0:", "or False:"),
        ("look-alikes are refused", '| {"O": 0, "I": 1, "L": 1}', ""),
        ("the digest has no key", "hmac.digest(pepper, _DOMAIN", 'hmac.digest(b"p", _DOMAIN'),
    ),
    "statement.py": (
        ("charges need not be what was paid", "if charged != paid:", "if False:"),
        ("a statement need not clear", "if reached != closing:", "if False:"),
        (
            "another customer's money is told",
            "if owner(posting.book) != account or",
            "if owner(posting.book) is None or",
        ),
    ),
    "refusals.py": (
        ("a passing refusal names no time", "retry_after_s=RETRY_AFTER_S", "retry_after_s=None"),
        ("a spent budget looks like an empty wallet", "if found.refusal is Refusal.BALANCE:", "if found.permanent:"),
    ),
}
MUTANTS = tuple(Mutant(file, *bug) for file, bugs in _BUGS.items() for bug in bugs)
