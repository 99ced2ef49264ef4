"""The samples of ``docs/catalog.md`` are files that the loader takes."""

import re
from pathlib import Path

from smartoken.catalog.model_file import listed_at, read_model, read_offer
from smartoken.catalog.price_file import read_price
from smartoken.catalog.provider_file import read_provider
from smartoken.catalog.strict import parse_toml

PAGE = (Path(__file__).parents[3] / "docs" / "catalog.md").read_text(encoding="utf-8")
MODEL, OFFER, HOURS, PROVIDER = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_sample_of_a_model_is_read():
    table = parse_toml(MODEL, "sample")
    model = read_model(table)
    assert (model.id, listed_at(table)) == ("moonshot/kimi-k2.6", "moonshot")
    table.done()


def test_the_sample_of_an_offer_is_read():
    table = parse_toml(OFFER, "sample")
    assert len(read_offer(table, "alibaba:qwen-plus", "alibaba").price.bands) == 4
    table.done()


def test_the_sample_of_hours_and_promotion_is_read():
    table = parse_toml('[price]\ncurrency = "CNY"\ninput = "2"\noutput = "8"\n' + HOURS, "sample")
    assert read_price(table.table("price")).promotion.percent == 50
    table.done()


def test_the_sample_of_a_provider_is_read():
    table = parse_toml(PROVIDER, "sample")
    assert read_provider(table, "zhipu").env == ("ZAI_API_KEY",)
    table.done()
