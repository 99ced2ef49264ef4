"""Which models a key's scope allows. Pure.

A pattern is a model id, case-insensitive, in which ``*`` stands for any characters: ``deepseek/*``, ``*/glm-5.2``,
``*``. No pattern at all means every model.
"""

from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache
from re import Pattern
from re import compile as compiled


@lru_cache(maxsize=4096)
def _pattern(text: str) -> Pattern[str]:
    # fnmatch's [..] and ? are escaped: only * is special in a scope.
    return compiled(translate(text.lower().replace("[", "[[]").replace("?", "[?]")))


def allows(patterns: Sequence[str], model_id: str) -> bool:
    """Whether a scope allows a model."""
    if not patterns:
        return True
    name = model_id.lower()
    return any(_pattern(each).fullmatch(name) is not None for each in patterns)
