"""What a user brings: its vocabulary, what it becomes, and where it never goes."""

import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.api import Registration, api_request
from safeconduct.core.upstream.brought import (
    Moment,
    asked_scopes,
    read_form,
    registration_of,
    secret_parts,
    token_request,
)
from safeconduct.core.upstream.json_schema import json_schema
from safeconduct.core.upstream.keys import pack, unpack
from safeconduct.core.upstream.provider import Provider, read_provider
from safeconduct.core.upstream.schema import InvalidEntry

NOW = 1_800_000_000_000
OURS = Registration("ours", Secret("our-secret"))
KEYS = {
    "RS256": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "Ed25519": OKPKey.generate_key("Ed25519"),
}
USER = {"name": "user", "label": "User", "secret": False}
PASSWORD = {"name": "password", "label": "Password"}
BASIC = {"fields": [USER, PASSWORD]}
FORM = {
    "fields": [PASSWORD],
    "places": [{"place": "header", "name": "X-Key", "value": "Token {password}"}],
}
CLIENT = {
    "token_url": "https://{region}.id.example/token",
    "revocation": {"url": "https://id.example/revoke", "which": "access_token"},
}
ACCOUNT = {
    "token_url": "https://id.example/token",
    "fields": [
        {"name": "issuer", "label": "Issuer", "secret": False},
        {"name": "private_key", "label": "Key", "kind": "lines", "max_length": 8192},
        {"name": "passphrase", "label": "Passphrase", "optional": True},
    ],
    "assertion": {
        "issuer": "{issuer}",
        "audience": "https://id.example",
        "passphrase": "{passphrase}",
        "claims": {"kind": "team"},
    },
    "account_id": "{issuer}",
}


def entry(**auth: Any) -> Provider:
    stated: dict[str, Any] = {
        "id": "acme",
        "name": "Acme",
        "category": "other",
        "placeholders": {"region": {"label": "Region", "example": "eu"}},
        "auth": auth,
        "identity": {"path": "/me", "account_id": "/id"},
        "api": {"base_url": "https://api.acme.example"},
    }
    names = [name for name in stated if name != "id"]
    source = {"own": {"kind": "invented", "title": "for this test"}}
    return read_provider({**stated, "sources": source, "provenance": dict.fromkeys(names, "own")})


def asked(provider: Provider, **typed: str) -> tuple[Any, Secret]:
    packed = pack(read_form(provider, typed))
    asking = registration_of(provider, OURS, packed, packed)
    return token_request(provider, asking, packed, Moment(now=NOW, jti="one")), packed


@pytest.mark.parametrize(
    ("auth", "field"),
    [
        ({"basic": {**BASIC, "user": "{nobody}"}}, "auth.basic.user"),
        ({"basic": {**BASIC, "user": "{user"}}, "auth.basic.user"),
        ({"basic": {"fields": [USER, USER]}}, "auth.basic.fields"),
        ({"basic": {"fields": []}}, "auth.basic.fields"),
        ({"basic": {"fields": [USER, {**PASSWORD, "name": "csrf"}]}}, "auth.basic.fields[1].name"),
        (
            {"basic": {"fields": [USER, {**PASSWORD, "pattern": "[0-9]+"}]}},
            "auth.basic.fields[1].example",
        ),
        (
            {
                "custom_form": {
                    **FORM,
                    "places": [{"place": "header", "name": "X Key", "value": "a"}],
                }
            },
            "auth.custom_form.places[0].name",
        ),
        (
            {"custom_form": {**FORM, "places": [{"place": "cookie", "name": "k", "value": "a"}]}},
            "auth.custom_form.places[0].place",
        ),
        (
            {"oauth2_client_credentials": {**CLIENT, "account_id": "{client_secret}"}},
            "auth.oauth2_client_credentials.account_id",
        ),
        (
            {
                "oauth2_client_credentials": {
                    **CLIENT,
                    "revocation": {"url": "https://id.example/revoke"},
                }
            },
            "auth.oauth2_client_credentials.revocation.which",
        ),
        (
            {"service_account": {**ACCOUNT, "account_id": "{private_key}"}},
            "auth.service_account.account_id",
        ),
        (
            {
                "service_account": {
                    **ACCOUNT,
                    "assertion": {"issuer": "{issuer}", "claims": {"aud": "x"}},
                }
            },
            "auth.service_account.assertion.claims.aud",
        ),
        (
            {"service_account": {**ACCOUNT, "assertion": {"issuer": "i", "lifetime_s": 7200}}},
            "auth.service_account.assertion.lifetime_s",
        ),
        (
            {"service_account": {**ACCOUNT, "assertion": {"issuer": "i", "alg": "none"}}},
            "auth.service_account.assertion.alg",
        ),
    ],
)
def test_the_linter_names_the_field(auth: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEntry) as caught:
        entry(**auth)
    assert caught.value.field == field, caught.value
    assert entry(basic=BASIC, custom_form=FORM)
    assert entry(oauth2_client_credentials=CLIENT, service_account=ACCOUNT)


def test_editors_are_told_of_every_mode() -> None:
    modes = json_schema()["properties"]["auth"]["properties"]
    places = modes["custom_form"]["properties"]["places"]["items"]["properties"]
    assert places["place"]["enum"] == ["header", "query", "body"]
    assert modes["basic"]["required"] == ["fields"]
    assert modes["oauth2_client_credentials"]["required"] == ["token_url"]
    assert (
        "ES256" in modes["service_account"]["properties"]["assertion"]["properties"]["alg"]["enum"]
    )


def test_each_connection_has_the_one_way_by_which_it_was_linked() -> None:
    both = entry(basic=BASIC, custom_form=FORM)
    fields = {"user": "mira", "password": "secret"}
    sent = {}
    for mode in ("basic", "custom_form"):
        one = both.by(mode)
        assert one.auth.modes == (mode,)
        assert one.by(mode) is one
        typed = {name: fields[name] for name in (one.name for one in one.form)}
        packed = pack(read_form(one, typed))
        sent[mode] = api_request(one, OURS, packed, path="/me").headers
    assert sent["basic"]["authorization"] == "Basic bWlyYTpzZWNyZXQ="
    assert sent["custom_form"]["x-key"] == "Token secret"
    assert "authorization" not in sent["custom_form"]
    with pytest.raises(ProviderError) as caught:
        both.by("wallet")
    assert caught.value.remedy == "broken"


def test_a_secret_in_a_url_is_in_no_repr() -> None:
    path = {"token_url": "https://{region}.id.example/token"}
    one = entry(oauth2_client_credentials={**CLIENT, **path})
    request, _ = asked(one, client_id="mine", client_secret="s3cret", region="eu")
    asking = registration_of(
        one, OURS, Secret("at"), pack({"client_secret": "s3cret", "client_id": "m", "region": "eu"})
    )
    assert "eu.id" not in repr(request)
    assert not {"eu", "s3cret"} & set(repr(asking).split("'"))


def test_scopes_are_the_entrys_or_those_that_were_typed_in() -> None:
    how = {
        **ACCOUNT,
        "scopes": ["a.read"],
        "fields": [*ACCOUNT["fields"], {**USER, "name": "scopes", "optional": True}],  # type: ignore[misc]
        "assertion": {"issuer": "i", "scope_claim": "scope", "claims": {"scope": "{scopes}"}},
    }
    typed = {"issuer": "mira", "private_key": KEYS["RS256"].as_pem(private=True).decode()}
    for more, scope in (({}, "a.read"), ({"scopes": "b.read c.read"}, "b.read c.read")):
        request, packed = asked(entry(service_account=how), **typed, **more)
        token = jwt.decode(request.form["assertion"], KEYS["RS256"], algorithms=["RS256"])
        assert token.claims["scope"] == scope
        assert asked_scopes(entry(service_account=how), unpack(packed)) == {*scope.split()}


def test_nothing_that_a_provider_echoes_gets_through_whole() -> None:
    one = entry(basic=BASIC)
    parts = secret_parts(one, pack({"user": "mira", "password": "secret-word"}))
    assert parts == ("secret-word", "bWlyYTpzZWNyZXQtd29yZA==")


@pytest.mark.rfc("7523#3")
@pytest.mark.parametrize("alg", KEYS)
@pytest.mark.parametrize("locked", [False, True])
def test_an_assertion_is_signed_with_the_key_that_was_brought(alg: str, locked: bool) -> None:
    how = {**ACCOUNT, "assertion": {**ACCOUNT["assertion"], "alg": alg}}  # type: ignore[dict-item]
    pem = KEYS[alg].as_pem(private=True, password="open" if locked else None).decode()
    typed = {"issuer": "mira", "private_key": pem, "passphrase": "open"}
    request, packed = asked(entry(service_account=how), **typed)
    assert request.url == "https://id.example/token"
    assert request.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    token = jwt.decode(request.form["assertion"], KEYS[alg], algorithms=[alg])
    assert token.header == {"alg": alg, "typ": "JWT"}
    assert token.claims == {
        "iss": "mira",
        "aud": "https://id.example",
        "kind": "team",
        "iat": NOW // 1000,
        "exp": NOW // 1000 + 300,
        "jti": "one",
    }
    assert pem.strip() not in repr((request, packed))


@pytest.mark.attack("M9")
def test_a_key_that_cannot_sign_is_the_users_and_is_not_quoted() -> None:
    public = KEYS["ES256"].as_pem(private=False).decode()
    other = KEYS["ES256"].as_pem(private=True).decode()
    locked = KEYS["RS256"].as_pem(private=True, password="open").decode()
    one = entry(service_account=ACCOUNT)
    for pem in (public, other, locked, "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END"):
        with pytest.raises(ProviderError) as caught:
            asked(one, issuer="mira", private_key=pem, passphrase="wrong")
        error = caught.value
        assert (error.code, error.remedy, error.sent) == ("invalid_credentials", "reconnect", False)
        assert "MIIE" not in f"{error!r} {error.detail} {error.__cause__!r} {error.__context__!r}"
    assert asked(one, issuer="mira", private_key=KEYS["RS256"].as_pem(private=True).decode())


@pytest.mark.attack("L16")
def test_what_was_typed_in_moves_no_host() -> None:
    one = entry(oauth2_client_credentials=CLIENT)
    given = {"client_id": "mine", "client_secret": "s3cret"}
    for region in ("evil.example/", "eu.evil", "a@evil", "..", "e\nu", "127.0.0.1:80"):
        with pytest.raises(ApiError) as caught:
            asked(one, **given, region=region)
        assert (caught.value.status, caught.value.field) == (400, "region")
    request, _ = asked(one, **given, region="us")
    assert (request.url, request.basic) == ("https://us.id.example/token", ("mine", "s3cret"))


@pytest.mark.rfc("6749#4.4.3")
def test_a_token_answer_is_read_and_nothing_takes_the_place_of_what_was_brought() -> None:
    one = entry(oauth2_client_credentials=CLIENT)
    body = {"access_token": "at", "refresh_token": "rt", "expires_in": 60}
    tokens = flow.read_token_response(one, 200, {}, json.dumps(body).encode(), NOW)
    assert (tokens.refresh_token, tokens.expires_at) == (None, NOW + 60_000)
    # Without a token of use there is nothing to keep either
    with pytest.raises(ProviderError) as caught:
        flow.read_token_response(one, 200, {}, b'{"refresh_token": "rt"}', NOW)
    assert type(caught.value) is ProviderError


@pytest.mark.parametrize(
    ("unit", "value", "seconds"),
    [
        ("iso8601", "2027-01-15T09:00:00Z", 3_600),
        ("iso8601", "2027-01-15T10:00:00+01:00", 3_600),
        ("epoch_s", NOW // 1000 + 90, 90),
        ("iso8601", "tomorrow", None),
        ("iso8601", "2020-01-01T00:00:00Z", None),
        ("epoch_s", "90", None),
    ],
)
def test_an_end_may_be_told_as_a_moment(unit: str, value: object, seconds: int | None) -> None:
    how = {**ACCOUNT, "answer": {"expires_in": "/expires_at", "expires_unit": unit}}
    body = json.dumps({"access_token": "at", "expires_at": value}).encode()
    tokens = flow.read_token_response(entry(service_account=how), 200, {}, body, NOW)
    assert tokens.expires_at == (None if seconds is None else NOW + seconds * 1000)


def test_a_client_that_is_refused_is_whose_it_is() -> None:
    """F7: ours is the operator's to mend, theirs is the user's."""
    ours = {
        "authorize_url": "https://id.example/authorize",
        "token_url": "https://id.example/token",
        "refresh": {},
    }
    for auth, remedy in (
        ({"oauth2_client_credentials": CLIENT}, "reconnect"),
        ({"oauth2_code": ours}, "misconfigured"),
    ):
        for body in (b'{"error": "invalid_client"}',):
            with pytest.raises(ProviderError) as caught:
                flow.read_token_response(entry(**auth), 401, {}, body, NOW)
            assert caught.value.remedy == remedy
        with pytest.raises(ProviderError) as caught:
            flow.read_token_response(entry(**auth), 503, {}, b"<html>", NOW)
        assert caught.value.remedy == "retry"


@pytest.mark.attack("L16")
def test_what_was_brought_is_never_given_back_in_place_of_a_token() -> None:
    one = entry(oauth2_client_credentials=CLIENT)
    _, packed = asked(one, client_id="mine", client_secret="s3cret", region="eu")
    asking = registration_of(one, OURS, Secret("at"), packed)
    request = flow.revocation_request(one, asking, access_token=Secret("at"), refresh_token=packed)
    assert request is not None
    assert request.form == {"token": "at", "token_type_hint": "access_token"}
    assert request.basic == ("mine", "s3cret")
    assert flow.revocation_request(one, asking, access_token=None, refresh_token=packed) is None
