"""The catalog that ships: what is in it, that it hangs together, and what its hosts do."""

import re
from collections import Counter
from datetime import date
from importlib.resources import files

import pytest

from smartoken.catalog.files import load_catalog
from smartoken.catalog.offers import AliasKind, DataPolicy
from smartoken.catalog.providers import cost_price, offer_at

CATALOG = load_catalog()
RESOLD = "openrouter"
# One more host of a model, named in the notes of the facts and not among their rows.
EXTRA_OFFER = "alibaba:minimax-m3.1-flash"


def test_the_103_current_models_of_the_facts_are_offered():
    rows = [each for each in CATALOG.offers.values() if each.provider != RESOLD and each.id != EXTRA_OFFER]
    assert Counter(each.status for each in rows) == {"current": 103, "legacy": 16, "deprecated": 7}
    assert len({each.provider for each in rows}) == 17


def test_the_same_weights_are_one_model():
    assert Counter(each.status for each in CATALOG.models.values()) == {"current": 93, "legacy": 16, "deprecated": 6}


def test_current_models_come_from_at_least_twelve_providers():
    assert len({each.provider for each in CATALOG.offers.values() if each.status == "current"}) >= 12


def test_exactly_four_current_models_have_no_price_and_say_why():
    unpriced = [each for each in CATALOG.models.values() if each.price is None]
    assert [each.id for each in unpriced] == ["spark/4.0ultra", "spark/lite", "spark/spark-x2-flash", "spark/spark-x2"]
    assert all(each.status == "current" and each.price_unknown for each in unpriced)


@pytest.mark.parametrize(
    ("model", "providers"),
    [
        ("deepseek/deepseek-v4-pro", ["deepseek", "alibaba", "volcengine", "siliconflow"]),
        ("zhipu/glm-5.2", ["zhipu", "alibaba", "volcengine", "siliconflow"]),
        ("moonshot/kimi-k2.7-code", ["moonshot", "siliconflow"]),
        ("moonshot/kimi-k2.6", ["moonshot", "alibaba"]),
        ("qwen/qwen3.6-27b", ["alibaba", "siliconflow"]),
        ("longcat/longcat-2.0", ["longcat", "siliconflow"]),
        ("minimax/minimax-m2.5", ["siliconflow", "minimax"]),
        ("minimax/minimax-m3.1-flash", ["minimax", "alibaba"]),
        ("qwen/qwen3-8b", ["siliconflow"]),
    ],
)
def test_a_model_is_offered_by_its_hosts_in_order_of_tier(model, providers):
    assert [each.provider for each in CATALOG.offers_of(model) if each.provider != RESOLD] == providers


def test_minimax_m2_5_is_deprecated_at_its_vendor_and_current_at_a_host():
    assert CATALOG.offers["minimax:minimax-m2.5"].status == "deprecated"
    assert CATALOG.offers["siliconflow:minimax-m2.5"].status == "current"
    assert CATALOG.models["minimax/minimax-m2.5"].status == "current"


def test_every_model_has_an_offer_and_every_offer_a_model_and_a_provider():
    assert {each.model for each in CATALOG.offers.values()} == set(CATALOG.models)
    assert {each.provider for each in CATALOG.offers.values()} == set(CATALOG.providers)


def test_every_price_has_source_and_date_and_every_lack_a_reason():
    for offer in CATALOG.offers.values():
        assert (offer.price is None) == bool(offer.price_unknown), offer.id
        for price in filter(None, (offer.price, *offer.prices_other)):
            assert price.source.startswith("https://"), offer.id
            assert re.fullmatch(r"2026(-\d\d(-\d\d)?)?", price.source_date), offer.id


def test_every_model_says_where_its_facts_come_from():
    for model in CATALOG.models.values():
        assert model.source.startswith("https://"), model.id
        assert re.fullmatch(r"2026-\d\d-\d\d", model.source_date), model.id
        assert len(model.description) > 20, model.id


def test_every_fact_of_data_policy_has_source_and_date():
    for provider in CATALOG.providers.values():
        for region in provider.regions:
            known = [getattr(region.policy, each) for each in ("region", "entity", "trains", "logs", "retention")]
            stated = any(each is not None for each in known)
            assert not stated or (region.policy.source and region.policy.source_date), (provider.id, region.id)


def test_no_name_leads_to_two_models_and_none_hides_an_id():
    assert not set(CATALOG.aliases) & set(CATALOG.models)
    for name, alias in CATALOG.aliases.items():
        assert name == alias.name == name.lower()
        assert alias.model in CATALOG.models
    names = [each for model in CATALOG.models.values() for each in model.aliases]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "model", "kind"),
    [
        ("deepseek/deepseek-v4-pro", "deepseek/deepseek-v4-pro", None),
        ("DeepSeek/DeepSeek-V4-Pro", "deepseek/deepseek-v4-pro", None),
        ("minimax/MiniMax-M3", "minimax/minimax-m3", None),
        ("deepseek-v4-pro", "deepseek/deepseek-v4-pro", AliasKind.VENDOR),
        ("deepseek-ai/DeepSeek-V4-Pro", "deepseek/deepseek-v4-pro", AliasKind.VENDOR),
        ("siliconflow/deepseek-ai/DeepSeek-V4-Pro", "deepseek/deepseek-v4-pro", AliasKind.VENDOR),
        ("volcengine/deepseek-v4-pro-ga-260813", "deepseek/deepseek-v4-pro", AliasKind.VENDOR),
        ("deepseek/deepseek-v4-pro-0813", "deepseek/deepseek-v4-pro", AliasKind.OPENROUTER),
        ("deepseek/deepseek-v4.1-flash", "deepseek/deepseek-flash", AliasKind.OPENROUTER),
        ("deepseek/deepseek-v4-flash", "deepseek/deepseek-flash", AliasKind.VENDOR),
        ("deepseek-v4-flash-vision-exp", "deepseek/deepseek-flash", AliasKind.VENDOR),
        ("deepseek-ai/DeepSeek-V4-Flash", "deepseek/deepseek-v4-flash-2604", AliasKind.VENDOR),
        ("alibaba/glm-5.2", "zhipu/glm-5.2", AliasKind.VENDOR),
        ("glm-5.2", "zhipu/glm-5.2", AliasKind.VENDOR),
        ("z-ai/glm-5.2", "zhipu/glm-5.2", AliasKind.OPENROUTER),
        ("moonshotai/kimi-k2.6", "moonshot/kimi-k2.6", AliasKind.OPENROUTER),
        ("doubao-seed-2-0-pro-260215", "doubao/doubao-seed-2.0-pro", AliasKind.VENDOR),
        ("doubao-seed-2.0-pro", "doubao/doubao-seed-2.0-pro", AliasKind.VENDOR),
        ("bytedance-seed/seed-2.0-mini", "doubao/doubao-seed-2.0-mini", AliasKind.OPENROUTER),
        ("tencent/hy3", "hunyuan/hy3", AliasKind.OPENROUTER),
        ("Qwen/Qwen3-8B", "qwen/qwen3-8b", None),
        ("deepseek-chat", "deepseek/deepseek-flash", AliasKind.RETIRED),
        ("deepseek/deepseek-reasoner", "deepseek/deepseek-flash", AliasKind.RETIRED),
        ("kimi-k2.5", "moonshot/kimi-k2.6", AliasKind.RETIRED),
        ("moonshotai/kimi-k2.5", "moonshot/kimi-k2.6", AliasKind.RETIRED),
        ("moonshot-v1-128k", "moonshot/kimi-k2.6", AliasKind.RETIRED),
    ],
)
def test_a_name_leads_to_its_model(name, model, kind):
    found, alias = CATALOG.resolve(name)
    assert found.id == model
    assert (alias.kind if alias else None) == kind


@pytest.mark.parametrize("name", ["", "gpt-5", "spark-x", "deepseek/", "qwen"])
def test_a_name_that_means_no_model_or_two_leads_nowhere(name):
    assert CATALOG.resolve(name) is None


@pytest.mark.parametrize(
    ("name", "retired", "thinking"),
    [
        ("deepseek-chat", date(2026, 7, 24), False),
        ("deepseek-reasoner", date(2026, 7, 24), True),
        ("kimi-k2.5", date(2026, 8, 31), None),
        ("moonshot-v1-128k", date(2026, 8, 31), False),
    ],
)
def test_a_retired_name_keeps_its_day_and_whether_it_thought(name, retired, thinking):
    _, alias = CATALOG.resolve(name)
    assert (alias.retired.retired, alias.retired.thinking) == (retired, thinking)


@pytest.mark.parametrize(
    ("variable", "provider", "region", "url", "setting"),
    [
        ("DEEPSEEK_API_KEY", "deepseek", "cn", "https://api.deepseek.com", "DEEPSEEK_REGION"),
        (
            "DASHSCOPE_API_KEY",
            "alibaba",
            "ap-southeast-1",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            "DASHSCOPE_REGION",
        ),
        ("MOONSHOT_API_KEY", "moonshot", "intl", "https://api.moonshot.ai/v1", "MOONSHOT_REGION"),
        ("ZAI_API_KEY", "zhipu", "intl", "https://api.z.ai/api/paas/v4", "ZAI_REGION"),
        ("ZHIPU_API_KEY", "zhipu", "cn", "https://open.bigmodel.cn/api/paas/v4", "ZHIPU_REGION"),
        ("ARK_API_KEY", "volcengine", "cn-beijing", "https://ark.cn-beijing.volces.com/api/v3", "ARK_REGION"),
        (
            "BYTEPLUS_API_KEY",
            "volcengine",
            "ap-southeast",
            "https://ark.ap-southeast.bytepluses.com/api/v3",
            "BYTEPLUS_REGION",
        ),
        ("MINIMAX_API_KEY", "minimax", "intl", "https://api.minimax.io/v1", "MINIMAX_REGION"),
        ("SILICONFLOW_API_KEY", "siliconflow", "intl", "https://api.siliconflow.com/v1", "SILICONFLOW_REGION"),
        ("OPENROUTER_API_KEY", "openrouter", "global", "https://openrouter.ai/api/v1", "OPENROUTER_REGION"),
    ],
)
def test_a_key_variable_enables_its_provider_at_its_host(variable, provider, region, url, setting):
    [record] = [each for each in CATALOG.providers.values() if variable in each.env]
    [key] = [each for each in record.keys if each.name == variable]
    assert record.id == provider
    assert (record.region_for(variable).id, record.region_for(variable).base_url) == (region, url)
    assert key.region_setting == setting


def test_every_provider_has_its_own_key_variable():
    names = [name for each in CATALOG.providers.values() for name in each.env]
    assert len(names) == len(set(names))
    assert all(each.keys for each in CATALOG.providers.values())


def test_a_region_is_found_by_id_or_alias_in_any_case():
    alibaba = CATALOG.providers["alibaba"]
    assert alibaba.region("US").id == "us-east-1"
    assert alibaba.region("cn-beijing").id == "cn-beijing"
    assert alibaba.region("mars") is None


def test_an_offer_costs_what_the_chosen_host_charges():
    offer = CATALOG.offers["alibaba:qwen3.8-max"]
    record = CATALOG.providers["alibaba"]
    by_region = {each.id: cost_price(offer, each) for each in record.regions}
    assert by_region["cn-beijing"].bands[0].input == 12_000_000
    assert by_region["ap-southeast-1"].bands[0].input == 2_000_000
    assert by_region["us-east-1"].currency == "USD"
    assert cost_price(CATALOG.offers["spark:lite"], CATALOG.providers["spark"].regions[0]) is None


def test_the_data_policy_of_one_host_says_nothing_of_another():
    offer = CATALOG.offers["zhipu:glm-5.3"]
    record = CATALOG.providers["zhipu"]
    assert (offer.policy.trains, offer.policy.retention) == (False, "0 days")
    mainland = offer_at(offer, record.region("cn"))
    assert (mainland.policy.trains, mainland.policy.region, mainland.price.currency) == (None, "cn", "CNY")
    assert offer_at(offer, record.region("intl")).price.currency == "USD"


@pytest.mark.parametrize(
    ("provider", "trains", "logs", "retention"),
    [
        ("deepseek", True, True, None),
        ("alibaba", False, True, None),
        ("moonshot", False, False, "0 days"),
        ("zhipu", False, False, "0 days"),
        ("minimax", False, True, None),
        ("xiaomi", False, True, "30 days"),
        ("tencent", False, False, None),
        ("baidu", None, None, None),
        ("siliconflow", None, None, None),
    ],
)
def test_what_a_provider_does_with_data_is_stated_or_unknown(provider, trains, logs, retention):
    policy = CATALOG.providers[provider].region_for("").policy
    assert (policy.trains, policy.logs, policy.retention) == (trains, logs, retention)


def test_a_host_that_no_source_describes_has_an_unknown_policy():
    assert CATALOG.offers["openrouter:kimi-k3"].policy == DataPolicy()


@pytest.mark.parametrize(
    ("model", "can_disable", "default_on", "efforts"),
    [
        ("deepseek/deepseek-v4-pro", True, True, ("low", "high", "max")),
        ("moonshot/kimi-k2.7-code", False, True, ()),
        ("zhipu/glm-5.3", False, True, ("low", "high", "max")),
        ("qwen/qwen-plus", True, False, ()),
        ("doubao/doubao-seed-2.1-pro", True, True, ("none", "minimal", "low", "medium", "high", "xhigh", "max")),
        ("minimax/minimax-m3", True, True, ()),
        ("minimax/minimax-m2.7", False, True, ()),
        ("hunyuan/hy4", None, None, ()),
    ],
)
def test_how_thinking_is_switched_is_stated_or_unknown(model, can_disable, default_on, efforts):
    reasoning = CATALOG.models[model].reasoning
    assert reasoning.supported
    assert (reasoning.can_disable, reasoning.default_on, reasoning.efforts) == (can_disable, default_on, efforts)


def test_a_host_may_take_less_than_the_model_can():
    offer = CATALOG.offers["siliconflow:kimi-k2.7-code"]
    assert offer.input_modalities == ("text", "image")
    assert CATALOG.models["moonshot/kimi-k2.7-code"].input_modalities == ("text", "image", "video")
    assert CATALOG.offers["alibaba:kimi-k2.6"].max_output == 16384


def test_a_date_is_as_precise_as_its_source():
    assert CATALOG.models["qwen/qwen3-next-80b-a3b-instruct"].released is None
    assert CATALOG.models["qwen/qwen3-next-80b-a3b-instruct"].released_text == "2025-09"
    assert CATALOG.models["hunyuan/hy4"].released_text == "2026"
    assert CATALOG.models["moonshot/kimi-k3.1-pro"].released == date(2026, 10, 23)
    assert "first observed" in CATALOG.models["moonshot/kimi-k3.1-pro"].released_text


def test_no_shipped_file_holds_a_float_or_names_a_registry_host():
    for folder in (files("smartoken.catalog") / "data").iterdir():
        for file in _tree(folder):
            text = file.read_text("utf-8")
            assert not re.search(r"= -?\d+\.\d", text), file
            assert not re.search(r"pypi\.org|npmjs|registry\.", text), file


def _tree(place):
    if place.is_dir():
        for child in place.iterdir():
            yield from _tree(child)
    else:
        yield place


def test_the_catalog_cannot_be_changed_by_its_readers():
    with pytest.raises(TypeError):
        CATALOG.models["x/y"] = None
