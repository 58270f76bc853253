"""What is sent to a provider, to the letter, and when."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.upstream.entries import code, entry

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.api import api_request, next_request
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.simulated import simulated

NOW = 1_800_000_000_000
CALLBACK = "https://app.example/cb"
OURS = flow.Registration("our client", Secret("s/e+c"))


def sent(provider: Provider, **more: Any) -> dict[str, str]:
    url = flow.authorization_url(provider, OURS, "st8", CALLBACK, "chal", "n0nce", **more)
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


@pytest.mark.rfc("6749#4.1.1")
def test_the_authorization_url_is_in_order() -> None:
    provider = code(
        authorize_url="https://login.acme.example/authorize?v=2",
        pkce="S256",
        nonce=True,
        authorize_parameters={"access_type": "offline"},
    )
    url = flow.authorization_url(provider, OURS, "st8", CALLBACK, "chal", "n0nce")
    assert url == (
        "https://login.acme.example/authorize?v=2&response_type=code"
        "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&client_id=our%20client"
        "&scope=read%20write&state=st8&access_type=offline"
        "&code_challenge=chal&code_challenge_method=S256&nonce=n0nce"
    )


def test_what_the_provider_does_not_know_is_not_sent() -> None:
    asked = sent(entry())
    assert set(asked) == {"response_type", "redirect_uri", "client_id", "scope", "state"}
    assert "scope" not in sent(code(scopes=[]))
    assert sent(code(scope_parameter="user_scope"))["user_scope"] == "read write"
    assert sent(entry(), scopes={"zeta", "write", "alpha"})["scope"] == "write alpha zeta"


@pytest.mark.rfc("6749#4.1.3")
def test_the_token_request() -> None:
    provider = code(pkce="S256", token_parameters={"audience": "x"})
    request = flow.token_request(
        provider, OURS, code=Secret("c0de"), redirect_uri=CALLBACK, code_verifier="v"
    )
    assert request.url == "https://login.acme.example/token"
    assert request.form == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": CALLBACK,
        "audience": "x",
        "code_verifier": "v",
        "client_id": "our client",
        "client_secret": "s/e+c",
    }
    assert "c0de" not in repr(request)


@pytest.mark.rfc("6749#2.3.1")
def test_the_client_authenticates_the_way_the_entry_says() -> None:
    def request(**changes: Any) -> Any:
        return flow.refresh_request(code(**changes), OURS, refresh_token=Secret("rt"))

    form = {"grant_type": "refresh_token", "refresh_token": "rt"}
    basic = request(token_auth="client_secret_basic")
    assert (basic.form, basic.basic) == (form, ("our+client", "s%2Fe%2Bc"))
    raw = request(token_auth="client_secret_basic", basic_encoding="raw")
    assert raw.basic == ("our client", "s/e+c")
    none = request(token_auth="none")
    assert (none.form, none.basic) == ({**form, "client_id": "our client"}, None)
    json = request(body="json")
    assert json.form is None
    assert json.json == {**form, "client_id": "our client", "client_secret": "s/e+c"}


def test_a_refresh_may_be_an_exchange_of_the_access_token() -> None:
    provider = code(
        refresh={
            "grant": "fb_exchange_token",
            "sends": "access_token",
            "parameter": "fb_exchange_token",
            "method": "GET",
            "url": "https://graph.acme.example/oauth/access_token",
        }
    )
    request = flow.refresh_request(provider, OURS, refresh_token=None, access_token=Secret("a+t"))
    assert request.method == "GET"
    assert request.form is None
    assert dict(parse_qsl(urlsplit(request.url).query)) == {
        "grant_type": "fb_exchange_token",
        "fb_exchange_token": "a+t",
        "client_id": "our client",
        "client_secret": "s/e+c",
    }
    assert "a%2Bt" not in repr(request).replace(request.url, "")


def test_what_cannot_be_refreshed_is_said_before_anything_is_sent() -> None:
    for provider, token in ((code(refresh={"grant": "none"}), Secret("rt")), (entry(), None)):
        with pytest.raises(ProviderError, match="not_refreshable") as caught:
            flow.refresh_request(provider, OURS, refresh_token=token)
        assert caught.value.sent is False


@pytest.mark.attack("L6")
@pytest.mark.attack("L16")
def test_a_code_goes_only_to_the_pinned_endpoint() -> None:
    provider = entry()
    pinned = flow.token_endpoint(provider, OURS)
    arguments: dict[str, Any] = {"code": Secret("c0de"), "redirect_uri": CALLBACK}
    assert flow.token_request(provider, OURS, **arguments, pinned=pinned).url == pinned
    moved = code(token_url="https://evil.example/token")
    with pytest.raises(ProviderError, match="endpoint_changed") as caught:
        flow.token_request(moved, OURS, **arguments, pinned=pinned)
    assert caught.value.sent is False


def test_a_missing_placeholder_is_the_operators() -> None:
    provider = entry(
        placeholders={"shop": {"label": "Shop"}},
        provenance__placeholders="test",
        auth__oauth2_code__token_url="https://{shop}.acme.example/token",
    )
    with pytest.raises(ProviderError, match="bad_placeholder") as caught:
        flow.token_endpoint(provider, OURS)
    assert caught.value.remedy == "misconfigured"
    ours = flow.Registration("c", None, {"shop": "my-shop"})
    assert flow.token_endpoint(provider, ours) == "https://my-shop.acme.example/token"


@pytest.mark.rfc("7009#2.1")
def test_revocation() -> None:
    tokens = {"access_token": Secret("at"), "refresh_token": Secret("rt")}
    assert flow.revocation_request(entry(), OURS, **tokens) is None
    url = "https://login.acme.example/revoke"
    request = flow.revocation_request(code(revocation={"url": url}), OURS, **tokens)
    assert request is not None
    assert request.form is not None
    assert (request.form["token"], request.form["token_type_hint"]) == ("rt", "refresh_token")
    alone = flow.revocation_request(
        code(revocation={"url": url}), OURS, access_token=Secret("at"), refresh_token=None
    )
    assert alone is not None
    assert alone.form is not None
    assert (alone.form["token"], alone.form["token_type_hint"]) == ("at", "access_token")
    bearer = code(
        revocation={"url": url, "auth": "bearer", "method": "DELETE", "hint": False}
        | {"which": "access_token"}
    )
    request = flow.revocation_request(bearer, OURS, **tokens)
    assert request is not None
    assert (request.method, request.url) == ("DELETE", f"{url}?token=at")
    assert request.headers["authorization"] == "Bearer at"
    nothing = flow.revocation_request(
        code(revocation={"url": url}), OURS, access_token=None, refresh_token=None
    )
    assert nothing is None


# The callback.


def came_back(*params: tuple[str, str], provider: Provider | None = None, **more: Any) -> Any:
    more.setdefault("issuer", None)
    return flow.read_callback(provider or entry(), params, **more)


@pytest.mark.rfc("6749#4.1.2")
def test_a_good_callback() -> None:
    answer = came_back(("code", "c0de"), ("state", "st8"))
    assert isinstance(answer, flow.Granted)
    assert answer.code.reveal() == "c0de"
    assert "c0de" not in repr(answer)


@pytest.mark.attack("L10")
@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ([("code", "a"), ("code", "a")], "callback.duplicate"),
        ([("code", "a"), ("state", "s"), ("state", "s")], "callback.duplicate"),
        ([("error", "x"), ("error", "x")], "callback.duplicate"),
        ([("code", "a"), ("error", "access_denied")], "callback.code_and_error"),
        ([("state", "s")], "callback.no_code"),
        ([("code", "")], "callback.no_code"),
        ([("code", "a\nb")], "callback.malformed_code"),
        ([("code", "é")], "callback.malformed_code"),
        ([("code", "a" * 4097)], "callback.malformed_code"),
    ],
)
def test_a_callback_that_is_no_answer(params: list[tuple[str, str]], rule: str) -> None:
    assert came_back(*params) == flow.Refused(rule)


@pytest.mark.attack("L10")
@pytest.mark.rfc("6749#4.1.2.1")
def test_a_refusal_is_told_in_safe_words() -> None:
    html = "<img src=x onerror=alert(1)>"
    denied = came_back(("error", "access_denied"), ("error_description", html))
    assert isinstance(denied, flow.Denied)
    assert (denied.error, denied.description) == ("access_denied", html)  # pages escape it
    assert html not in repr(denied)
    assert came_back(("error", html)) == flow.Denied("unknown_error")
    assert came_back(("error", "x" * 65)) == flow.Denied("unknown_error")


@pytest.mark.attack("L5")
@pytest.mark.rfc("9207#2.4")
def test_the_issuer_is_ours_or_the_answer_is_not() -> None:
    issuer = "https://login.acme.example"
    promising = code(issuer=issuer, iss_parameter=True)
    good = ("code", "c0de")
    assert isinstance(came_back(good, ("iss", issuer), issuer=issuer), flow.Granted)
    assert came_back(good, ("iss", f"{issuer}/"), issuer=issuer) == flow.Refused("iss.other")
    assert came_back(good, ("iss", "https://evil.example"), issuer=issuer).rule == "iss.other"
    assert came_back(good, provider=promising, issuer=issuer) == flow.Refused("iss.missing")
    relaxed = came_back(good, provider=promising, issuer=issuer, require_iss=False)
    assert isinstance(relaxed, flow.Granted)
    # An error is an answer too: it must come from the right side.
    assert came_back(("error", "x"), ("iss", "https://evil.example"), issuer=issuer) == (
        flow.Refused("iss.other")
    )


def test_without_a_known_issuer_its_origin_must_be_the_entrys() -> None:
    good = ("code", "c0de")
    for iss in ("https://login.acme.example", "https://LOGIN.acme.example/tenant"):
        assert isinstance(came_back(good, ("iss", iss)), flow.Granted)
    for iss in ("https://evil.example", "http://login.acme.example", "", "https://[", "x"):
        assert came_back(good, ("iss", iss)) == flow.Refused("iss.other")


# The API.


def test_an_api_request_carries_the_token_and_the_entrys_headers() -> None:
    provider = entry(api__headers={"X-Version": "2"})
    request = api_request(
        provider,
        OURS,
        Secret("at"),
        path="/accounts/{account}/list",
        slots={"account": "a/b c"},
        query={"limit": "5", "q": "a&b"},
    )
    assert request.url == ("https://api.acme.example/v1/accounts/a%2Fb%20c/list?limit=5&q=a%26b")
    assert request.headers == {
        "accept": "application/json",
        "x-version": "2",
        "authorization": "Bearer at",
    }
    in_query = entry(api__token={"place": "query", "name": "access_token"})
    request = api_request(in_query, OURS, Secret("a&t"), path="/me")
    assert request.url.endswith("/me?access_token=a%26t")
    assert "authorization" not in request.headers


@pytest.mark.attack("N11")
def test_an_id_cannot_climb() -> None:
    for value in ("..", ".", ""):
        with pytest.raises(ProviderError, match="malformed_answer"):
            api_request(entry(), OURS, Secret("at"), path="/a/{id}", slots={"id": value})
    request = api_request(entry(), OURS, Secret("at"), path="/a/{id}", slots={"id": "../x"})
    assert request.url == "https://api.acme.example/v1/a/..%2Fx"


CURRENT = "https://api.acme.example/v1/items?limit=5"


@pytest.mark.parametrize(
    ("next_uri", "url"),
    [
        ("/v1/items?after=2", "https://api.acme.example/v1/items?after=2"),
        ("?after=2", "https://api.acme.example/v1/items?after=2"),
        ("items?after=2", "https://api.acme.example/v1/items?after=2"),
        ("https://api.acme.example/v1/items/2", "https://api.acme.example/v1/items/2"),
        ("https://API.acme.example/v1/items/2", "https://API.acme.example/v1/items/2"),
    ],
)
@pytest.mark.rfc("3986#5")
def test_the_next_page_is_followed(next_uri: str, url: str) -> None:
    request = next_request(entry(), OURS, Secret("at"), current=CURRENT, next_uri=next_uri)
    assert request.url == url
    assert request.headers["authorization"] == "Bearer at"


@pytest.mark.attack("N1")
@pytest.mark.attack("N11")
@pytest.mark.parametrize(
    "next_uri",
    [
        "https://evil.example/v1/items",
        "//evil.example/v1/items",
        "\\\\evil.example/v1/items",
        "/\\evil.example/v1",
        "http://api.acme.example/v1/items",
        "https://api.acme.example:8443/v1/items",
        "https://api.acme.example@evil.example/v1/items",
        "https://user@api.acme.example/v1/items",
        "/v2/items",
        "/v1evil",
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/v1/..%2fadmin",
        "/v1/items\n",
        " /v1/items",
        "/v1/it ems",
        "/v1/ïtems",
        "javascript:alert(1)",
    ],
)
def test_the_token_does_not_follow_a_page_elsewhere(next_uri: str) -> None:
    with pytest.raises(ProviderError, match="malformed_answer"):
        next_request(entry(), OURS, Secret("at"), current=CURRENT, next_uri=next_uri)


# When to refresh.

HOUR = 3_600_000


def due(provider: Provider, life: int | None = HOUR, *, now: int = NOW, jitter: float = 0) -> Any:
    return flow.due(provider, NOW, None if life is None else NOW + life, now, jitter)


def test_refresh_is_ahead_of_expiry_by_a_margin_with_jitter() -> None:
    assert due(entry()) == NOW + HOUR - 300_000
    assert due(entry(), jitter=1) == NOW + HOUR - 450_000
    assert due(entry(), 60_000) == NOW + 45_000  # a short token keeps three quarters of its life
    assert due(entry(), now=NOW + HOUR) == NOW + HOUR  # late is now
    assert due(entry(), -5) == NOW


def test_what_the_entry_knows_about_ageing_counts() -> None:
    assert due(code(refresh={"grant": "none"})) is None
    assert due(code(refresh={"default_expires_in": 7200}), None) == NOW + 2 * HOUR - 300_000
    assert due(entry(), None) == NOW + HOUR - 300_000  # nobody says: look after an hour
    last = code(refresh={"earliest_s_before_expiry": 30})
    assert due(last, jitter=1) == NOW + HOUR - 30_000
    assert due(code(refresh={"returns_same_token": True}), jitter=1) == NOW + HOUR
    assert due(code(refresh={"idle_s": 1000})) == NOW + 800_000


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(0, 1),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
)
def test_refresh_is_never_in_the_past_nor_after_expiry(
    life: int, passed: int, jitter: float, earliest: int, margin: int
) -> None:
    provider = code(refresh={"margin_s": margin, "earliest_s_before_expiry": earliest})
    at = flow.due(provider, NOW, NOW + life, NOW + passed, jitter)
    assert at is not None
    assert NOW + passed <= at <= max(NOW + life, NOW + passed)


def test_an_entry_turns_towards_a_simulator() -> None:
    provider = code(
        issuer="https://login.acme.example",
        revocation={"url": "https://login.acme.example/revoke"},
        refresh={"url": "https://login.acme.example/renew"},
    )
    turned = simulated(provider, "http://127.0.0.1:8401/")
    urls = {at.rpartition("oauth2_code.")[2]: str(url) for at, url in turned.templates()}
    assert urls == {
        "authorize_url": "http://127.0.0.1:8401/acme/authorize",
        "token_url": "http://127.0.0.1:8401/acme/token",
        "refresh.url": "http://127.0.0.1:8401/acme/refresh",
        "revocation.url": "http://127.0.0.1:8401/acme/revoke",
        "api.base_url": "http://127.0.0.1:8401/acme/api",
    }
    assert turned.oauth2.issuer == "http://127.0.0.1:8401/acme"
    assert turned.oauth2.scopes == provider.oauth2.scopes
    assert provider.oauth2.token_url.startswith("https://login.acme.example")
