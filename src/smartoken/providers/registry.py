"""The dialects by id; the only place where vendors are listed together. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from smartoken.providers.baidu import BAIDU
from smartoken.providers.deepseek import DEEPSEEK
from smartoken.providers.dialect import OPENAI, Dialect
from smartoken.providers.longcat import LONGCAT
from smartoken.providers.minimax import MINIMAX
from smartoken.providers.moonshot import MOONSHOT
from smartoken.providers.qwen import QWEN
from smartoken.providers.sensenova import SENSENOVA
from smartoken.providers.siliconflow import SILICONFLOW
from smartoken.providers.stepfun import STEPFUN
from smartoken.providers.tencent import TENCENT
from smartoken.providers.volcengine import VOLCENGINE
from smartoken.providers.xiaomi import XIAOMI
from smartoken.providers.zhipu import ZHIPU

_ALL = (
    OPENAI,
    DEEPSEEK,
    QWEN,
    MOONSHOT,
    ZHIPU,
    VOLCENGINE,
    MINIMAX,
    TENCENT,
    BAIDU,
    STEPFUN,
    SILICONFLOW,
    XIAOMI,
    LONGCAT,
    SENSENOVA,
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType({each.id: each for each in _ALL})


class UnknownDialectError(ValueError):
    """No dialect has this id; the message lists those that exist."""


def dialect(dialect_id: str) -> Dialect:
    """Return the dialect of this id.

    Raises:
        UnknownDialectError: when there is none.

    """
    found = DIALECTS.get(dialect_id)
    if found is None:
        raise UnknownDialectError(f"There is no dialect {dialect_id!r}; known are {', '.join(sorted(DIALECTS))}.")
    return found
