"""How the bills of providers are thought to look: names of columns that are tried, in lower case. Pure.

No source at hand documents the columns of any of these bills (``documented`` says so), and no importer here has met a
real one. Whoever has one names the right columns by hand, and should send them in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Shape:
    """How a provider's bill is thought to look: names tried for each field, in lower case."""

    provider: str
    title: str
    zone: str
    names: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, str] = field(default_factory=dict)  # of a bill with a line for each kind of token
    documented: bool = False  # whether a source at hand states these columns

    def caveats(self) -> list[str]:
        """Return what whoever reads a comparison has to know of this importer."""
        found = [f"The importer for {self.title} was never tried on a real bill."]
        if not self.documented:
            found.append(
                f"No source at hand documents the columns of {self.title}'s bill: the names tried are assumptions; "
                "--map names the right ones."
            )
        return found


_INPUT = ("input", "input_tokens", "prompt_tokens", "输入tokens", "输入token数", "输入量")
_OUTPUT = ("output", "output_tokens", "completion_tokens", "输出tokens", "输出token数", "输出量")
_CACHED = ("cached", "cached_tokens", "cache_hit_tokens", "缓存命中tokens")
_PLAIN: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "day", "utc_date", "billing_date", "billing date", "日期", "账单日期", "消费时间", "消费日期"),
    "model": ("model", "model_name", "模型", "模型名称", "计费项", "billing item"),
    "key": ("key", "api_key_name", "api key name", "apikey", "api_key", "密钥", "密钥名称"),
    "input": _INPUT,
    "cached": _CACHED,
    "output": _OUTPUT,
    "amount": ("amount", "cost", "fee", "金额", "应付金额", "消费金额", "pretax_amount", "pretaxamount"),
    "currency": ("currency", "币种"),
    "unit": ("unit", "usage_unit", "用量单位", "单位"),
}
_LONG: Mapping[str, tuple[str, ...]] = {
    **{name: tried for name, tried in _PLAIN.items() if name not in ("input", "cached", "output", "amount")},
    "kind": ("type", "billing_type", "usage_type", "计费类型", "用量类型"),
    "quantity": ("amount", "usage", "quantity", "用量"),
}
_KINDS = {
    "input_cache_hit_tokens": "cached",
    "input_cache_miss_tokens": "fresh",
    "output_tokens": "output",
    "input_tokens": "input",
}
CHINA, GENERIC = "Asia/Shanghai", "generic"
SHAPES: Mapping[str, Shape] = {
    "deepseek": Shape("deepseek", "DeepSeek", "UTC", _LONG, _KINDS),
    "alibaba": Shape("alibaba", "Alibaba Cloud (Model Studio)", CHINA, _PLAIN),
    "volcengine": Shape("volcengine", "Volcengine (Ark)", CHINA, _PLAIN),
    "moonshot": Shape("moonshot", "Moonshot", CHINA, _PLAIN),
    "zhipu": Shape("zhipu", "Zhipu", CHINA, _PLAIN),
}
GENERAL = Shape(GENERIC, "this provider", "UTC", _PLAIN)
_ALIASES = {"qwen": "alibaba", "dashscope": "alibaba", "zai": "zhipu", "byteplus": "volcengine", "ark": "volcengine"}


def shape_of(provider: str) -> Shape:
    """Return the shape of a provider's bill; the general one where none is known."""
    return SHAPES.get(_ALIASES.get(provider, provider), GENERAL)
