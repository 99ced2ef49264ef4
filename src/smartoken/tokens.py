"""What a call consumed, in one shape for every provider. Pure.

``prompt`` includes ``cached`` (read from the provider's cache) and ``cache_write``; ``completion`` includes
``reasoning``. Providers that count otherwise are translated by their dialect before a ``TokenUsage`` exists.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class UsageSource(StrEnum):
    """Where the counts came from."""

    REPORTED = "reported"  # by the upstream
    COUNTED = "counted"  # by our tokenizer, because the upstream sent none
    MIXED = "mixed"  # several attempts, or prompt reported and output counted
    RECOVERED = "recovered"  # from the last checkpoint of a process that died


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Token counts of one attempt or one call; all non-negative.

    ``suspect`` marks reported numbers that failed validation (negative, not integers, beyond the context) and were
    replaced or bounded.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    source: UsageSource = UsageSource.REPORTED
    suspect: bool = False

    @property
    def total(self) -> int:
        """Prompt and completion together."""
        return self.prompt + self.completion

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        """Sum two usages; differing sources become ``mixed``."""
        source = self.source if self.source == other.source else UsageSource.MIXED
        return TokenUsage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
            source,
            self.suspect or other.suspect,
        )

    def marked(self, source: UsageSource) -> "TokenUsage":
        """Return the same counts under another source."""
        return replace(self, source=source)


ZERO = TokenUsage()
