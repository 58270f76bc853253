"""Linking by typing something in: the forms, what they never show again, and the proof."""

import re
from typing import Any

import pytest
from tests.services.connections.test_enter import MINE, OTHER, ZPUB
from tests.web.connect.stage import Stage
from tests.web.harness import TENANT, Person

LOCAL = "evmLocal"


@pytest.fixture
async def ann(stage: Stage) -> Person:
    await stage.site.platform.providers.configure(
        TENANT,
        LOCAL,
        client_id="",
        client_secret=None,
        base_url="http://127.0.0.1:9",
        actor="operator",
    )
    return await stage.ann()


async def at_form(person: Person, provider: str) -> None:
    await person.get("/connect")
    await person.press(f"connect-{provider}")
    page = await person.follow()
    assert page.status_code == 200, page.text


async def keys(stage: Stage, provider: str) -> dict[str, str]:
    made: dict[str, str] = await stage.sim.sim(f"keys?provider={provider}&user=mira")
    return made


@pytest.mark.attack("L21")
async def test_keys_are_tried_linked_and_never_shown_again(stage: Stage, ann: Person) -> None:
    await at_form(ann, "kucoin")
    assert ann.page is not None
    typed = {"api_key", "secret_key", "passphrase"}
    assert typed <= set(re.findall(r'name="(\w+)"', ann.page.text))
    assert ann.page.text.count('type="password"') == 2
    good = await keys(stage, "kucoin")
    wrong = {**good, "passphrase": "wrong words"}
    refused = await ann.press("keys-submit", **wrong, display_label="Savings")
    assert refused.status_code == 200
    assert "did not accept these keys" in refused.text
    assert "Savings" in refused.text, "what is no secret stays"
    for secret in (*good.values(), "wrong words"):
        assert secret not in refused.text
    assert await stage.connections() == []
    done = await ann.press("keys-submit", **good, display_label="Savings")
    assert 'id="connect-linked"' in done.text
    (row,) = await stage.connections()
    assert (row.provider_id, row.auth_mode, row.display_label) == ("kucoin", "api_key", "Savings")
    for secret in good.values():
        assert secret not in done.text


async def test_a_field_that_cannot_be_a_key_is_named(stage: Stage, ann: Person) -> None:
    await at_form(ann, "binance")
    page = await ann.press("keys-submit", api_key="a\x00b", secret_key="s3cret")
    assert page.status_code in (200, 400)
    assert "s3cret" not in page.text
    await at_form(ann, "binance")
    page = await ann.press("keys-submit", api_key="kéy", secret_key="s3cret")
    assert "API key holds characters that do not belong there." in page.text
    assert re.search(r'name="api_key"[^>]*aria-invalid="true"', page.text)
    assert await stage.connections() == []


async def test_linking_again_takes_the_same_account_only(stage: Stage, ann: Person) -> None:
    await at_form(ann, "binance")
    await ann.press("keys-submit", **await keys(stage, "binance"))
    (row,) = await stage.connections()
    await stage.change(row, status="needs_reauth", reason="refresh.rejected")
    await ann.get("/connect")
    await ann.press(f"relink-{row.id}")
    await ann.follow()
    others: Any = await stage.sim.sim("keys?provider=binance&user=otto")
    page = await ann.press("keys-submit", **others)
    assert 'data-code="account_mismatch"' in page.text
    await ann.press("connect-binance")
    await ann.follow()
    done = await ann.press("keys-submit", **await keys(stage, "binance"))
    assert 'id="connect-linked"' in done.text
    (again,) = await stage.connections()
    assert (again.id, again.status) == (row.id, "active")


@pytest.mark.attack("L17")
async def test_a_wallet_is_watched_or_proven(stage: Stage, ann: Person) -> None:
    await at_form(ann, LOCAL)
    slip = await ann.press("wallet-watch", address=MINE.address[:-1])
    assert "This is not an address of this chain." in slip.text
    assert MINE.address[:-1] in slip.text, "an address is no secret"
    await ann.press("wallet-watch", address=MINE.address)
    (row,) = await stage.connections()
    assert row.proof is None

    await at_form(ann, LOCAL)
    await ann.press("wallet-prove", address=MINE.address)
    await ann.follow()
    message = shown(ann)
    failed = await ann.press("prove-submit", signature=OTHER.sign(message))
    assert 'data-code="wrong_signature"' in failed.text

    await at_form(ann, LOCAL)
    await ann.press("wallet-prove", address=MINE.address.lower())
    await ann.follow()
    form, _ = ann.markup.form_with("prove-submit")
    signature = MINE.sign(shown(ann))
    done = await ann.press("prove-submit", signature=signature)
    assert 'id="connect-linked"' in done.text
    (row,) = await stage.connections()
    assert row.proof == "eip4361"
    twice = await ann.post(form.action, {**form.fields, "signature": signature})
    assert 'data-code="challenge_over"' in twice.text


@pytest.mark.attack("L17")
async def test_the_form_takes_keys_of_a_whole_wallet_and_shows_nothing_private(
    stage: Stage, ann: Person
) -> None:
    await stage.site.platform.providers.configure(
        TENANT,
        "bitcoin",
        client_id="",
        client_secret=None,
        base_url="http://127.0.0.1:9",
        actor="operator",
    )
    await at_form(ann, "bitcoin")
    assert ann.page is not None
    assert "Address, extended public key or descriptor" in ann.page.text
    seed = "abandon " * 11 + "about"
    refused = await ann.press("wallet-watch", address=seed, display_label="Cold")
    assert "something private" in refused.text
    assert "abandon" not in refused.text
    assert "Cold" in refused.text
    assert await stage.attempts() == []
    await ann.press("wallet-watch", address=ZPUB)
    (row,) = await stage.connections()
    assert (row.proof, row.provider_id) == (None, "bitcoin")


async def test_the_forms_are_not_for_strangers_nor_for_other_ways(
    stage: Stage, ann: Person
) -> None:
    stranger = stage.site.person()
    assert (await stranger.get("/connect/kraken/enter")).status_code == 401
    assert (await ann.get("/connect/exchangeExample/enter")).status_code == 400
    assert (await ann.get("/connect/nobody/enter")).status_code == 404
    await at_form(ann, "kraken")
    form, _ = ann.markup.form_with("keys-submit")
    fields = {name: value for name, value in form.fields.items() if name != "csrf"}
    assert (await ann.post(form.action, fields)).status_code in (400, 403)
    assert await stage.connections() == []


async def test_an_app_waits_while_keys_are_typed(stage: Stage, ann: Person) -> None:
    client = await stage.site.client(profile="calico", scope="openid connections:read")
    await stage.to_picker(ann, client)
    await ann.press("connect-kraken")
    await ann.follow()
    done = await ann.press("keys-submit", **await keys(stage, "kraken"))
    assert 'id="connect-linked"' in done.text
    (row,) = await stage.connections()
    assert row.client_id == client.id
    back = await ann.press("connect-done")
    assert back.headers["location"].startswith(client.redirect_uris[0])


def shown(person: Person) -> str:
    """The message as the page has it, with nothing added and nothing lost."""
    assert person.page is not None
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", person.page.text, re.DOTALL)
    assert found is not None
    return found[1]
