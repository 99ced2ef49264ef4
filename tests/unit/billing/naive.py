"""The rules of money as one would explain them: no leases, no workers, no flush. The state machine's judge."""

from dataclasses import dataclass, field


@dataclass
class NaiveHold:
    windows: tuple[str, ...]
    shares: dict[str, int]  # by fund, in burn order
    nano: int


@dataclass
class Naive:
    limit: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)
    holds: dict[str, NaiveHold] = field(default_factory=dict)

    def add(self, row, limit):
        self.limit[row], self.used[row], self.owed[row] = limit, 0, 0

    def held(self, row):
        total = 0
        for hold in self.holds.values():
            if row in hold.windows:
                total += hold.nano
            total += hold.shares.get(row, 0)
        return total

    def unheld(self, row):
        return self.limit[row] - self.used[row] - self.held(row)

    def free(self, row, *, owed=True):
        return self.unheld(row) - (self.owed[row] if owed else 0)

    def refusal(self, bound, windows, funds, *, owed=True):
        """Return None if the call may start, 402 if what is spent says no, 429 if what is held does."""
        spent = {row: self.used[row] + (self.owed[row] if owed else 0) for row in (*windows, *funds)}
        for row in windows:
            if self.limit[row] <= 0 or max(0, self.limit[row] - spent[row]) < bound:
                return 402
        if not funds or sum(max(0, self.limit[row] - spent[row]) for row in funds) < bound:
            return 402
        if any(max(0, self.free(row, owed=owed)) < bound for row in windows):
            return 429
        if sum(max(0, self.free(row, owed=owed)) for row in funds) < bound:
            return 429
        return None

    def shares(self, nano, funds):
        """Return what each fund would hold of an amount, first to burn first."""
        found = {}
        for row in funds:
            part = max(0, min(nano, self.free(row)))
            if part:
                found[row] = part
                nano -= part
        return found

    def settle(self, call, charge):
        """End a call; returns ``(fund, amount)`` lines and the overrun."""
        hold = self.holds.pop(call)
        paid = min(charge, hold.nano)
        lines, rest = [], paid
        for row, nano in hold.shares.items():
            part = min(rest, nano)
            if part:
                lines.append((row, part))
                rest -= part
        self.count(lines, hold.windows, 1)
        return tuple(lines), charge - paid

    def count(self, lines, windows, sign):
        """Count a charge in its rows, or take it out of them."""
        for row, nano in lines:
            self.used[row] += sign * nano
        for row in windows:
            self.used[row] += sign * sum(nano for _, nano in lines)


def burning(funds, model, day):
    """Return the funds that may pay for a model on a day, in their order, by the words of the rule."""
    left = [
        each
        for each in funds
        if (each.expires_ms is None or day < each.expires_ms)
        and (not each.models or any(model.startswith(pattern.rstrip("*")) for pattern in each.models))
        and not any(model.startswith(pattern.rstrip("*")) for pattern in each.except_models)
    ]
    order = []
    while left:
        first = left[0]
        for each in left[1:]:
            if each.priority != first.priority:
                sooner = each.priority < first.priority
            elif (each.expires_ms is None) != (first.expires_ms is None):
                sooner = each.expires_ms is not None
            elif each.expires_ms != first.expires_ms:
                sooner = each.expires_ms < first.expires_ms
            elif each.promotional != first.promotional:
                sooner = each.promotional
            else:
                sooner = each.id < first.id
            if sooner:
                first = each
        left.remove(first)
        order.append(first.id)
    return order
