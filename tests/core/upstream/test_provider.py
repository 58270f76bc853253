"""The strict reader: what an entry may say, and how a mistake in one is named."""

from typing import Any

import pytest
from tests.core.upstream.entries import code, document, entry

from safeconduct.core.upstream.provider import read_provider
from safeconduct.core.upstream.records import Path, Rule
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.template import BadPlaceholder, Placeholder, Template

RULE = {"id": "buy", "kind": "buy", "when": {"/type": ["buy"]}}
LEG = {"account": "$account", "asset": "/asset", "amount": "/amount"}
ASSETS = {
    "kind": "account",
    "request": {"path": "/accounts"},
    "items": "/data",
    "ref": "/id",
    "position": {"account": "/id", "asset": "/asset", "quantity": ["/free", "=0"]},
}
TRANSACTIONS = {
    "kind": "transaction",
    "for_each": "assets",
    "request": {"path": "/accounts/{account}/transactions"},
    "pages": {"style": "cursor", "pointer": "/next", "parameter": "after"},
    "items": "/data",
    "ref": "/id",
    "transaction": {"at": "/at", "legs": [LEG], "rules": [RULE]},
}
CAPABLE = {"assets": ASSETS, "transactions": TRANSACTIONS}


def capable(**changes: Any) -> dict[str, Any]:
    return document(api__capabilities=CAPABLE, **changes)


def test_the_smallest_entry_is_read() -> None:
    provider = entry()
    assert provider.auth.modes == ("oauth2_code",)
    assert provider.oauth2.scopes == ("read", "write")
    assert provider.oauth2.refresh_url == provider.oauth2.token_url
    source = provider.source_of("auth.oauth2_code.refresh.rotates")
    assert source is not None
    assert source.title == "made up"


def test_capabilities_are_read() -> None:
    api = read_provider(capable()).api
    assert api is not None
    assert api.capabilities.transactions is not None
    assert api.capabilities.transactions.transaction.rules[0].category == "input_output"
    assert api.capabilities.assets is not None
    assert api.capabilities.assets.position.quantity.of({"free": ""}) == "0"


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"nmae": "x"}, "nmae", "did you mean name?"),
        ({"auth__oauth2_code__pkc": "S256"}, "auth.oauth2_code.pkc", "did you mean pkce?"),
        ({"name": None}, "name", "is missing"),
        ({"name": 7}, "name", "must be text"),
        ({"name": ""}, "name", "not empty"),
        ({"name": "a\nb"}, "name", "control characters"),
        ({"id": "../up"}, "id", "letters, digits"),
        ({"id": "a" * 65}, "id", "1 to 64"),
        ({"category": "bank"}, "category", "must be one of exchange"),
        ({"auth": {}}, "auth", "at least one auth mode"),
        ({"auth__oauth2_code": []}, "auth.oauth2_code", "must be a mapping"),
        ({"auth__oauth2_code__scopes": "read"}, "auth.oauth2_code.scopes", "must be a list"),
        ({"auth__oauth2_code__scopes": [1]}, "auth.oauth2_code.scopes[0]", "must be text"),
        ({"auth__oauth2_code__pkce": "plain"}, "auth.oauth2_code.pkce", "must be one of S256"),
        ({"auth__oauth2_code__nonce": 1}, "auth.oauth2_code.nonce", "must be true or false"),
        ({"auth__oauth2_code__iss_parameter": True}, "auth.oauth2_code.iss_parameter", "issuer"),
        (
            {"auth__oauth2_code__refresh__margin_s": True},
            "auth.oauth2_code.refresh.margin_s",
            "must be a whole number",
        ),
        (
            {"auth__oauth2_code__refresh__lifetime_s": 0},
            "auth.oauth2_code.refresh.lifetime_s",
            "must be positive",
        ),
        (
            {"auth__oauth2_code__refresh__rotates": False}
            | {"auth__oauth2_code__refresh__grace_s": 30},
            "auth.oauth2_code.refresh.grace_s",
            "`rotates` is true",
        ),
        (
            {"auth__oauth2_code__refresh__error_map": [{"means": "invalid_grant"}]},
            "auth.oauth2_code.refresh.error_map[0]",
            "at least one of",
        ),
        (
            {
                "auth__oauth2_code__refresh__error_map": [
                    {"means": "invalid_grant", "status": [401]}
                ]
            },
            "auth.oauth2_code.refresh.error_map[0]",
            "status alone",
        ),
        (
            {"auth__oauth2_code__answer__error": "error"},
            "auth.oauth2_code.answer.error",
            "JSON pointer",
        ),
        ({"api": None, "provenance__api": None}, "identity", "needs `api`"),
        ({"identity__account_id": "id"}, "identity.account_id", "must start with /"),
        ({"identity__account_id": []}, "identity.account_id", "at least one term"),
        ({"identity__path": "/a/../b"}, "identity.path", "segments"),
        ({"api__base_url": "https://a.example/"}, "api.base_url", "end with a slash"),
        ({"provenance__name": "wikipedia"}, "provenance.name", "not in `sources`"),
        ({"provenance__logo": "test"}, "provenance.logo", "not a fact of this entry"),
        ({"provenance__auth": None}, "auth.oauth2_code.authorize_url", "has no source"),
        ({"logo": "https://acme.example/logo.svg"}, "logo", "has no source"),
        ({"logo": "acme.svg", "provenance__logo": "test"}, "logo", "https URL"),
        ({"docs": "javascript:alert(1)", "provenance__docs": "test"}, "docs", "https URL"),
    ],
)
def test_a_mistake_is_refused_by_its_path(changes: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(InvalidEntry) as caught:
        entry(**changes)
    assert caught.value.field == field
    assert reason in caught.value.reason


def test_what_is_no_mapping_is_refused() -> None:
    for value in (None, [], "text", 3):
        with pytest.raises(InvalidEntry, match="must be a mapping"):
            read_provider(value)


@pytest.mark.parametrize(
    ("path", "value", "field", "reason"),
    [
        ("rules", [RULE, RULE], "rules", "distinct ids"),
        ("rules", [RULE | {"kind": "purchase"}], "rules[0].kind", "must be one of"),
        ("rules", [RULE | {"when": {}}], "rules[0].when", "must ask for something"),
        ("rules", [RULE | {"when": {"type": ["x"]}}], "rules[0].when.type", "JSON pointer"),
        ("legs", [LEG, LEG], "legs", "exactly one leg"),
        ("legs", [LEG, LEG | {"inside": True}], "legs[1]", "belong to the role fee"),
        ("legs", [LEG | {"amount": "$Account"}], "legs[0].amount", "placeholder"),
        ("at_format", "rfc822", "at_format", "must be one of"),
    ],
)
def test_a_mistake_in_a_mapping_is_refused(path: str, value: Any, field: str, reason: str) -> None:
    mapping = {**TRANSACTIONS, "transaction": {**TRANSACTIONS["transaction"], path: value}}  # type: ignore[dict-item]
    with pytest.raises(InvalidEntry) as caught:
        entry(api__capabilities={"assets": ASSETS, "transactions": mapping})
    assert caught.value.field == f"api.capabilities.transactions.transaction.{field}"
    assert reason in caught.value.reason


def test_pages_name_what_their_style_needs() -> None:
    for pages, field in (
        ({"style": "next_uri"}, "pointer"),
        ({"style": "none", "pointer": "/next"}, "pointer"),
        ({"style": "cursor", "pointer": "/next"}, "parameter"),
        ({"style": "next_uri", "pointer": "/next", "parameter": "p"}, "parameter"),
    ):
        with pytest.raises(InvalidEntry) as caught:
            entry(api__capabilities={"assets": {**ASSETS, "pages": pages}})
        assert caught.value.field == f"api.capabilities.assets.pages.{field}"


def test_a_path_placeholder_needs_something_to_go_through() -> None:
    with pytest.raises(InvalidEntry, match="nothing to go through"):
        entry(
            api__capabilities={
                "assets": ASSETS,
                "transactions": {k: v for k, v in TRANSACTIONS.items() if k != "for_each"},
            }
        )
    with pytest.raises(InvalidEntry, match="needs the assets capability"):
        entry(api__capabilities={"transactions": TRANSACTIONS})


SHOP = {"shop": {"label": "Shop", "example": "my-shop"}}


@pytest.mark.parametrize(
    "url",
    [
        "http://login.acme.example/token",
        "ftp://login.acme.example/token",
        "//login.acme.example/token",
        "https:/login.acme.example",
        "https://user@login.acme.example/token",
        "https://login.acme.example/token#frag",
        "https://login.acme.example/to ken",
        "https://login.acme.example/to\nken",
        "https://login.acme.example\\@evil.example/",
        "https://login.acme.example/{Shop}",
        "https://login.acme.example/{shop",
        "https://login.acme.example/?q={shop}",
        "https://löwe.example/token",
        " https://login.acme.example/token",
        "https://login.acme.example/token\t",
    ],
)
def test_a_url_with_surprises_is_refused(url: str) -> None:
    with pytest.raises(InvalidEntry) as caught:
        code(token_url=url)
    assert caught.value.field == "auth.oauth2_code.token_url"
    assert code(token_url="https://login.acme.example/token?v=2").oauth2.token_url.query == "v=2"


def test_a_placeholder_is_declared_and_checked() -> None:
    with pytest.raises(InvalidEntry, match=r"uses \{shop\}"):
        code(token_url="https://{shop}.acme.example/token")
    with pytest.raises(InvalidEntry, match="its own pattern refuses"):
        entry(
            placeholders={"shop": {"label": "Shop", "example": "No!"}},
            provenance__placeholders="test",
        )
    with pytest.raises(InvalidEntry, match="not a regular expression"):
        entry(
            placeholders={"shop": {"label": "Shop", "pattern": "("}},
            provenance__placeholders="test",
        )


@pytest.mark.attack("L16")
@pytest.mark.parametrize(
    "value",
    [
        "evil.example/",
        "evil.example#",
        "a@evil.example",
        "",
        ".",
        "..",
        "a b",
        "a\n",
        "evil%2f",
        "-a",
    ],
)
def test_a_placeholder_value_cannot_move_the_host(value: str) -> None:
    loose = {"shop": Placeholder(label="Shop", pattern=".*")}  # type: ignore[arg-type]
    template = Template.read("https://{shop}.acme.example/token")
    with pytest.raises(BadPlaceholder):
        template.fill(loose, {"shop": value})
    assert template.fill(loose, {"shop": "my-shop"}) == "https://my-shop.acme.example/token"


def test_a_missing_value_is_named() -> None:
    template = Template.read("https://acme.example/{realm}/token")
    declared = {"realm": Placeholder(label="Realm")}
    with pytest.raises(BadPlaceholder, match="realm is missing"):
        template.fill(declared, {})
    for value in ("..", "a/b", "A"):
        with pytest.raises(BadPlaceholder, match="expected form"):
            template.fill(declared, {"realm": value})


def test_paths_and_rules_know_their_words() -> None:
    assert Path.read("/v2/accounts/{account}").names == ("account",)
    for value in ("v2", "/a//b", "/a/./b", "/a?b", "/a b", "/{Account}"):
        with pytest.raises(ValueError, match="must"):
            Path.read(value)
    assert Rule(id="r", kind="withdrawal", sign="minus").category == "send"


def test_an_entry_need_not_say_whose_account_it_is() -> None:
    """Then a user has one account there at most; keys, which are tried by that call, need it."""
    provider = entry(identity=None, provenance__identity=None)
    assert provider.identity is None
    assert provider.oauth2.answer.account_id is None
