"""The web plane's guards, its headers, and the shelf on which answers are kept."""

import asyncio
import base64
import hashlib
import re
import time
from dataclasses import replace
from html import unescape
from pathlib import Path

from smartoken.web.assets import Assets


def test_the_policy_for_content_allows_the_one_inline_line_and_nothing_else_inside(visitor):
    said = visitor.ask("/")
    policy = said.headers["content-security-policy"]
    lines = re.findall(r"<script>(.*?)</script>", said.text, re.DOTALL)
    assert len(lines) == 1
    digest = base64.b64encode(hashlib.sha256(lines[0].encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_a_visitor_who_has_the_page_is_told_so(visitor):
    first = visitor.ask("/pricing")
    again = visitor.ask("/pricing", headers=[(b"if-none-match", first.headers["etag"].encode())])
    assert (again.status, again.body) == (304, b"")


def test_a_head_request_has_the_headers_and_no_body(visitor):
    said = visitor.ask("/models", method="HEAD")
    assert said.status == 200
    assert said.body == b""
    assert int(said.headers["content-length"]) > 10_000


def test_a_host_name_that_is_not_ours_is_refused(visitor):
    said = visitor.ask("/", headers=[(b"host", b"evil.test")])
    assert said.status == 400
    assert "SMARTOKEN_PUBLIC_URL" in said.text
    assert visitor.ask("/", headers=[(b"host", b"gate.test"), (b"host", b"evil.test")]).status == 400


def test_what_is_not_there_is_404_with_ways_on(visitor):
    for path in ("/nope", "/models/nobody/nothing", "/help/errors/nope", "/docs/../../etc/passwd", "/families/nope"):
        said = visitor.ask(path)
        assert said.status == 404, path
        assert "/docs" in said.text
    assert visitor.ask("/docs/nope.md").status == 404


def test_pages_are_only_read(visitor):
    assert visitor.ask("/pricing", method="POST", form={}).status == 405
    assert visitor.ask("/pricing", method="DELETE").status == 405


def test_a_form_that_is_too_large_is_refused(visitor):
    assert visitor.ask("/migrate/check", method="POST", form={"text": "x" * 300_000}).status == 400


def test_another_name_of_a_model_leads_to_its_page(visitor):
    model = next(each for each in visitor.site.catalog.models.values() if each.openrouter_ids)
    said = visitor.ask(f"/models/{model.openrouter_ids[0]}")
    assert (said.status, said.headers["location"]) == (308, f"/models/{model.id}")


def test_a_page_is_made_anew_when_the_directory_moves(fresh):
    visitor = fresh()
    before = visitor.ask("/pricing")
    name, served = next(
        (n, s) for n, s in visitor.held.current.models.items() if s.price and s.model.status == "current"
    )
    band = replace(served.price.bands[0], input=123_456_000)
    priced = replace(served, price=replace(served.price, bands=(band, *served.price.bands[1:])))
    old = visitor.held.current
    visitor.held.current = replace(old, revision=old.revision + 1, models={**old.models, name: priced})
    after = visitor.ask("/pricing")
    assert "$123.456" not in before.text
    assert "$123.456" in after.text
    assert before.headers["etag"] != after.headers["etag"]


def test_a_page_that_fails_says_so_and_the_next_one_still_answers(fresh):
    def broken():
        raise RuntimeError("planted")

    visitor = fresh(not_ready=broken)
    said = visitor.ask("/status")
    assert said.status == 500
    assert "planted" not in said.text
    assert visitor.ask("/pricing").status == 200


def test_one_core_serves_more_than_three_hundred_kept_pages_a_second(visitor):
    paths = ["/", "/models", "/pricing", "/docs/quickstart", "/help/errors", "/status.json"]
    for path in paths:
        visitor.ask(path)

    async def many():
        for _ in range(100):
            for path in paths:
                await visitor._ask(path, "GET", None, [])

    began = time.process_time()
    asyncio.run(many())
    spent = time.process_time() - began
    assert spent < 600 / 300, f"{600 / spent:.0f} pages a second"


def test_a_draining_server_says_so_at_once(fresh):
    state = []
    visitor = fresh(not_ready=lambda: state[0] if state else None)
    assert "Taking calls" in visitor.ask("/status").text
    state.append("draining")
    assert "Draining" in visitor.ask("/status").text
    assert visitor.ask("/status.json").text.startswith('{"status":"draining"')


def test_each_kind_of_page_reads_the_store_as_often_as_it_may_and_never_when_it_is_kept(fresh):
    reads = []
    held = {"currency": "USD", "input": "1.00", "output": "2.00"}
    later = {"from": "2026-10-01T00:00:00Z", "to": None, "price": held, "price_version": "v2"}
    before = {"from": "2026-09-01T00:00:00Z", "to": later["from"], "price": None, "price_version": None}

    def counted(answer):
        return lambda *_: reads.append(answer) or answer

    visitor = fresh(history=counted([later, before]), changes=counted([]), rests=counted([]), campaign=counted(None))
    kinds = {each.id: each for each in visitor.held.current.models.values() for each in (each.model,)}
    once = {*(f"/models/{each}" for each in kinds), "/changelog", "/changelog.xml", "/status", "/status.xml"}
    others = [
        "/models.json",
        "/models.csv",
        "/pricing.json",
        "/pricing.csv",
        "/llms.txt",
        "/robots.txt",
        "/sitemap.xml",
    ]
    made = [
        "/models?can=vision&sort=input",
        "/search?q=budget",
        "/docs/quickstart.md",
        "/models/compare?m=zhipu/glm-5.3",
    ]
    for path in (*visitor.addresses(), *others, *made, "/changelog.xml", "/status.xml", "/status.json", "/nowhere"):
        count = len(reads)
        assert visitor.ask(path).status == (404 if path == "/nowhere" else 200)
        assert len(reads) - count == int(path in once or path == "/status.json"), path
    count = len(reads)
    assert visitor.ask("/campaigns/autumn").status == 404
    assert len(reads) == count + 1
    count = len(reads)
    said = visitor.ask("/models/sandbox/echo").text
    visitor.ask("/changelog")
    assert len(reads) == count
    assert "1 Oct 2026" in said
    assert "not sold" in said


def test_a_server_that_hides_its_providers_hides_them_on_every_page(fresh):
    visitor = fresh()
    visitor.held.current = replace(visitor.held.current, show_providers=False)
    model = next(iter(visitor.site.catalog.offers.values())).model
    said = visitor.ask(f"/models/{model}")
    assert "does not show its providers" in said.text


def test_assets_are_kept_for_ever_under_their_stamp_and_names_do_not_climb(visitor):
    stamp = visitor.site.assets.stamp
    said = visitor.ask(f"/assets/{stamp}/app.css")
    assert said.status == 200
    assert "immutable" in said.headers["cache-control"]
    assert "immutable" not in visitor.ask("/assets/old/app.css").headers["cache-control"]
    for name in ("../pyproject.toml", "..%2fpyproject.toml", "package.json", "build.py", "nope.css", ""):
        assert visitor.ask(f"/assets/{stamp}/{name}").status == 404


def test_a_build_takes_over_as_soon_as_its_manifest_is_there(tmp_path):
    plain, built = tmp_path / "plain", tmp_path / "built"
    plain.mkdir()
    built.mkdir()
    (plain / "app.css").write_text("plain")
    (built / "app.css").write_text("built")
    now = [0.0]
    assets = Assets((built, plain), monotonic=lambda: now[0])
    first = assets.stamp
    assert first.startswith("plain-")
    assert assets.read("app.css")[0] == b"plain"
    (built / "manifest.json").write_text('{"stamp": "abc"}')
    assert assets.stamp == first  # one look a second
    now[0] = 1.5
    assert assets.stamp == "abc"
    assert assets.built
    assert assets.read("app.css")[0] == b"built"


def test_styles_and_scripts_are_small(visitor):
    stamp = visitor.site.assets.stamp
    assert len(visitor.ask(f"/assets/{stamp}/app.css").body) <= 30 * 1024
    assert len(visitor.ask(f"/assets/{stamp}/app.js").body) <= 60 * 1024


def test_samples_name_the_key_file_as_visitors_of_this_machine_find_it_and_nobody_else(fresh):
    asked = fresh()
    assert "sk-st-..." in asked.ask("/").text
    assert "$(cat data/demo-key)" in asked.ask("/docs/quickstart.md").text
    here = fresh(data_dir=Path("/srv/my data"))
    for path in ("/", "/docs/quickstart"):
        said = re.sub(r"<[^>]+>", "", unescape(here.ask(path).text))
        assert "export SMARTOKEN_API_KEY=\"$(cat '/srv/my data/demo-key')\"" in said


def test_the_operator_is_named_where_the_set_up_file_names_one(fresh):
    visitor = fresh()
    assert "has not named terms" in visitor.ask("/terms").text
    said = {
        "name": "Example & Co",
        "logo": "https://cdn.example.com/logo.svg",
        "support_email": "help@example.com",
        "terms": "https://example.com/terms",
        "privacy": "/legal/privacy",
    }
    visitor.held.current = replace(visitor.held.current, site=said)
    home = visitor.ask("/")
    assert '<img src="https://cdn.example.com/logo.svg"' in home.text
    assert "Example &amp; Co: one gateway" in home.text
    assert "img-src 'self' data: https://cdn.example.com;" in home.headers["content-security-policy"]
    assert 'href="https://example.com/terms"' in visitor.ask("/terms").text
    assert 'href="/legal/privacy"' in visitor.ask("/privacy").text
    assert "mailto:help@example.com" in visitor.ask("/help").text
    assert "· Example &amp; Co</title>" in visitor.ask("/pricing").text
    visitor.held.current = replace(visitor.held.current, site={"logo": "https://evil.test; script-src *"})
    assert "script-src *" not in visitor.ask("/").headers["content-security-policy"]
