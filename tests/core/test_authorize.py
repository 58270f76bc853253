"""Authorization requests, judged without a server: RFC 6749 §4.1.1 and its neighbours."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safeconduct.core.acr import MULTI
from safeconduct.core.authorize import (
    MAX_STATE,
    Arrival,
    Ask,
    Page,
    Rules,
    Target,
    find_target,
    next_step,
    read,
    required,
)
from safeconduct.core.errors import OAuthError
from safeconduct.core.form import Form, read_form
from safeconduct.core.model import Client, Grant, TenantId
from safeconduct.core.pkce import challenge_of
from safeconduct.core.response_mode import MODES
from safeconduct.core.sessions import SignedIn

ISSUER = "https://id.example"
CB = "https://app.example/cb"
NOW = 1_800_000_000_000
TENANT = TenantId("t1")


def client(**changed: Any) -> Client:
    made = Client(
        tenant_id=TENANT,
        id="cli_1",
        client_name="Harbour",
        profile="native",
        status="active",
        token_endpoint_auth_method="client_secret_basic",
        redirect_uris=(CB,),
        post_logout_redirect_uris=(),
        grant_types=("authorization_code", "refresh_token"),
        response_types=("code",),
        scope=frozenset({"openid", "email", "assets:read"}),
        default_scope=frozenset({"openid", "email"}),
        resources=(),
        require_pkce=True,
        verified=False,
        access_token_format="jwt",
        not_before=0,
        metadata={},
        created_at=0,
        updated_at=0,
    )
    return replace(made, **changed)


SOUND: dict[str, Any] = {
    "client_id": "cli_1",
    "redirect_uri": CB,
    "response_type": "code",
    "scope": "openid email",
    "state": "xyz",
    "code_challenge": challenge_of("v" * 43),
    "code_challenge_method": "S256",
}


def form(**changed: Any) -> Form:
    """A sound request with some parameters changed; None leaves one out."""
    pairs = {name: value for name, value in {**SOUND, **changed}.items() if value is not None}
    return read_form(urlencode(pairs, doseq=True).encode())


def raw(extra: str, **changed: Any) -> Form:
    """The same with more text behind it."""
    return read_form(urlencode({**SOUND, **changed}).encode() + b"&" + extra.encode())


def judge(asked: Form, by: Client | None = None) -> Ask | Page | OAuthError:
    by = by or client()
    target = find_target(asked, by)
    if isinstance(target, Page):
        return target
    try:
        return read(asked, target, by, Rules(issuer=ISSUER))
    except OAuthError as error:
        return error


def page_of(asked: Form, by: Client | None = None) -> str:
    found = judge(asked, by)
    assert isinstance(found, Page), found
    return found.code


def error_of(asked: Form, by: Client | None = None) -> str:
    found = judge(asked, by)
    assert isinstance(found, OAuthError), found
    return found.error


def ask_of(asked: Form, by: Client | None = None) -> Ask:
    found = judge(asked, by)
    assert isinstance(found, Ask), found
    return found


@pytest.mark.rfc("6749#4.1.1")
def test_a_sound_request_is_read() -> None:
    ask = ask_of(form(nonce="n", max_age="60", login_hint="ann@example.org"))
    assert ask.target == Target(CB, True, "query", "xyz", "cli_1")
    assert ask.scope == {"openid", "email"}
    assert (ask.nonce, ask.max_age, ask.login_hint) == ("n", 60, "ann@example.org")
    assert ask.code_challenge == SOUND["code_challenge"]
    assert ask.resources == (ISSUER,)


# Where the answer goes


@pytest.mark.attack("A1")
@pytest.mark.rfc("9700#4.1.3")
@pytest.mark.parametrize(
    "asked",
    [
        "https://app.example/cb/x",
        "https://app.example/cbx",
        "https://app.example/c",
        "https://app.example/cb/",
        "https://app.example/cb?",
        "https://app.example/cb#",
        "https://app.example/cb?x=1",
        "https://app.example/CB",
        "https://APP.example/cb",
        "https://app.example:443/cb",
        "http://app.example/cb",
        "https://app.example.evil.test/cb",
        "https://evil.test/?https://app.example/cb",
        "https://app.example@evil.test/cb",
        "https://app.example/x/../cb",
        "https://app.example/%63b",
        " https://app.example/cb",
        "https://app.example/cb\t",
        "https://app.example/c\nb",
        "https://appXexample/cb",
        "//app.example/cb",
        "javascript:alert(1)",
        "cb",
    ],
)
def test_only_the_very_redirect_uri_matches(asked: str) -> None:
    assert page_of(form(redirect_uri=asked)) == "redirect_uri_mismatch"


@pytest.mark.attack("A1")
def test_a_registered_query_keeps_its_order() -> None:
    by = client(redirect_uris=("https://app.example/cb?a=1&b=2",))
    assert page_of(form(redirect_uri="https://app.example/cb?b=2&a=1"), by)
    ask = ask_of(form(redirect_uri="https://app.example/cb?a=1&b=2"), by)
    location = ask.target.answer(ISSUER, {"code": "c"}).location
    assert (
        location == "https://app.example/cb?a=1&b=2&code=c&state=xyz&iss=https%3A%2F%2Fid.example"
    )


@pytest.mark.attack("A2")
@pytest.mark.parametrize("registered", ["https://app.*/cb", "https://a[p]p.example/(cb)"])
def test_patterns_are_plain_text(registered: str) -> None:
    by = client(redirect_uris=(registered,))
    assert page_of(form(redirect_uri="https://app.example/cb"), by) == "redirect_uri_mismatch"
    assert ask_of(form(redirect_uri=registered), by)


@pytest.mark.attack("A3")
def test_a_client_without_redirect_uris_learns_none() -> None:
    assert page_of(form(), client(redirect_uris=())) == "redirect_uri_mismatch"
    assert page_of(form(redirect_uri=None), client(redirect_uris=())) == "invalid_request"


@pytest.mark.attack("A9")
@pytest.mark.rfc("8252#7.3")
@pytest.mark.parametrize("port", ["", ":1", ":8080", ":65535"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_literal_loopback_address_may_have_any_port(host: str, port: str) -> None:
    by = client(redirect_uris=(f"http://{host}/cb", f"http://{host}:90/other"))
    assert ask_of(form(redirect_uri=f"http://{host}{port}/cb"), by)
    assert ask_of(form(redirect_uri=f"http://{host}{port}/other"), by)


@pytest.mark.attack("A9")
@pytest.mark.parametrize(
    "asked",
    [
        "http://127.0.0.1.evil.test/cb",
        "http://127.0.0.2/cb",
        "http://localhost/cb",
        "http://[::1]/cb",
        "http://0.0.0.0/cb",
        "http://2130706433/cb",
        "http://127.1/cb",
        "http://127.0.0.1:80@evil.test/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:8080/other",
        "http://127.0.0.1:8080/cb?x",
        "https://127.0.0.1:8080/cb",
        "http://127.0.0.1:8080",
    ],
)
def test_nothing_else_is_that_loopback_address(asked: str) -> None:
    assert page_of(form(redirect_uri=asked), client(redirect_uris=("http://127.0.0.1/cb",)))


@pytest.mark.attack("A9")
def test_hosts_have_the_port_that_they_registered() -> None:
    for registered in ("https://app.example/cb", "http://localhost/cb"):
        by = client(redirect_uris=(registered,))
        assert ask_of(form(redirect_uri=registered), by)
        assert page_of(form(redirect_uri=registered.replace("/cb", ":81/cb")), by)


@pytest.mark.rfc("6749#3.1.2.3")
def test_the_only_redirect_uri_may_be_left_out_but_not_by_openid() -> None:
    ask = ask_of(form(redirect_uri=None, scope="email"))
    assert ask.target == Target(CB, False, "query", "xyz", "cli_1")
    assert page_of(form(redirect_uri=None, scope="openid email")) == "invalid_request"
    two = client(redirect_uris=(CB, CB + "2"))
    assert page_of(form(redirect_uri=None, scope="email"), two) == "invalid_request"


def test_unknown_and_disabled_clients_get_a_page() -> None:
    unknown = find_target(form(), None)
    assert isinstance(unknown, Page)
    assert unknown.code == "unknown_client"
    assert page_of(form(), client(status="disabled")) == "client_disabled"


# Duplicates and sizes


@pytest.mark.attack("A12")
@pytest.mark.rfc("6749#3.1")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_repeated_client_or_redirect_uri_is_a_page(name: str) -> None:
    assert page_of(raw(urlencode({name: SOUND[name]}))) == "invalid_request"


@pytest.mark.attack("A12")
@pytest.mark.parametrize(
    "name", ["response_type", "scope", "state", "code_challenge", "code_challenge_method", "nonce"]
)
def test_any_other_repeated_parameter_is_an_answer(name: str) -> None:
    assert error_of(raw(f"{name}=again", nonce="n")) == "invalid_request"


@pytest.mark.attack("A23")
def test_long_state_comes_back_whole_or_not_at_all() -> None:
    state = "é" * 10 + "s" * (MAX_STATE - 20)
    target = ask_of(form(state=state)).target
    assert target.answer(ISSUER, {}).parameters["state"] == state
    assert page_of(form(state="s" + state)) == "invalid_request"
    assert page_of(form(state="s" * 65_536)) == "invalid_request"


@pytest.mark.attack("A23")
def test_binary_state_comes_back_as_it_is() -> None:
    asked = read_form(urlencode({**SOUND, "state": "\x01\r\nLocation: x"}).encode())
    location = ask_of(asked).target.answer(ISSUER, {}).location
    assert "state=%01%0D%0ALocation%3A+x" in location


@pytest.mark.attack("A23")
@pytest.mark.parametrize("name", ["nonce", "login_hint", "ui_locales", "acr_values"])
def test_other_values_are_text_of_some_length(name: str) -> None:
    assert ask_of(form(**{name: "n" * 2000}))
    assert page_of(form(**{name: "n" * 5_120})) == "invalid_request"
    assert error_of(form(**{name: "a\x07b"})) == "invalid_request"
    assert page_of(form(**{name: "n" * 60_000})) == "invalid_request"


def test_unknown_parameters_are_ignored() -> None:
    assert ask_of(form(display="page", ui_locales="de", nonsense="1", acr_values="x"))


# What it asks for


@pytest.mark.attack("A14")
@pytest.mark.rfc("9700#2.1.2")
@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("token", "unsupported_response_type"),
        ("id_token", "unsupported_response_type"),
        ("id_token token", "unsupported_response_type"),
        ("code token", "unsupported_response_type"),
        ("code id_token", "unsupported_response_type"),
        ("CODE", "unsupported_response_type"),
        ("code code", "unsupported_response_type"),
        ("none", "unsupported_response_type"),
        ("", "invalid_request"),
        (None, "invalid_request"),
    ],
)
def test_only_code_is_given(asked: str | None, error: str) -> None:
    assert error_of(form(response_type=asked)) == error


@pytest.mark.attack("A14")
@pytest.mark.parametrize("mode", ["web_message", "QUERY", "jwt.query", "form_post.JWT", ".jwt"])
def test_other_response_modes_are_refused_in_the_query(mode: str) -> None:
    assert error_of(form(response_mode=mode)) == "invalid_request"
    target = find_target(form(response_mode=mode), client())
    assert isinstance(target, Target)
    assert target.mode == "query"


def test_response_modes_that_work() -> None:
    for mode in MODES:
        assert ask_of(form(response_mode=mode)).target.mode == mode
    assert ask_of(form(response_mode="jwt")).target.mode == "query.jwt"


@pytest.mark.attack("A14")
@pytest.mark.parametrize("name", ["grant_types", "response_types"])
def test_a_client_without_the_grant_gets_no_code(name: str) -> None:
    assert error_of(form(), client(**{name: ()})) == "unauthorized_client"


@pytest.mark.attack("B1")
@pytest.mark.rfc("9700#2.1.1")
def test_pkce_is_required_of_all_but_the_exempt() -> None:
    bare = form(code_challenge=None, code_challenge_method=None)
    public = {"token_endpoint_auth_method": "none"}
    assert error_of(bare) == "invalid_request"
    assert error_of(bare, client(**public)) == "invalid_request"
    assert error_of(bare, client(**public, require_pkce=False)) == "invalid_request"
    assert ask_of(bare, client(require_pkce=False)).code_challenge is None


@pytest.mark.attack("B2")
@pytest.mark.rfc("7636#4.3")
@pytest.mark.parametrize("method", ["plain", None, "s256", "S512", "S256 "])
def test_only_s256(method: str | None) -> None:
    assert error_of(form(code_challenge_method=method)) == "invalid_request"
    exempt = client(require_pkce=False)
    assert error_of(form(code_challenge_method=method), exempt) == "invalid_request"


@pytest.mark.attack("B5")
@pytest.mark.parametrize(
    "challenge", ["short", "x" * 42, "x" * 44, "+" * 43, "é" * 43, "x" * 42 + "="]
)
def test_a_challenge_is_a_digest(challenge: str) -> None:
    assert error_of(form(code_challenge=challenge)) == "invalid_request"


def test_a_method_without_a_challenge_is_a_mistake() -> None:
    exempt = client(require_pkce=False)
    assert error_of(form(code_challenge=None), exempt) == "invalid_request"


@pytest.mark.attack("B16")
@pytest.mark.rfc("6749#3.3")
@pytest.mark.parametrize(
    "scope",
    [
        "",
        "openid admin",
        "openid  email",
        " openid",
        'openid "',
        "openid \\",
        "openid émail",
        " ".join(f"s{n}" for n in range(101)),
    ],
)
def test_scope_beyond_grammar_or_allowance(scope: str) -> None:
    assert error_of(form(scope=scope)) == "invalid_scope"


@pytest.mark.rfc("6749#3.3")
def test_no_scope_means_the_default() -> None:
    assert ask_of(form(scope=None)).scope == {"openid", "email"}
    assert error_of(form(scope=None), client(default_scope=frozenset())) == "invalid_scope"


def test_what_operators_may_do_is_not_for_users_to_give() -> None:
    powers = frozenset({"openid", "clients:write"})
    by = client(scope=powers, default_scope=powers)
    assert error_of(form(scope="openid clients:write"), by) == "invalid_scope"
    assert ask_of(form(scope=None), by).scope == {"openid"}


@pytest.mark.attack("B17")
@pytest.mark.rfc("8707#2")
def test_resources_are_known_ones() -> None:
    by = client(resources=("https://api.example",))
    assert ask_of(form(resource="https://api.example"), by).resources == ("https://api.example",)
    assert ask_of(form(), by).resources == ("https://api.example",)
    assert ask_of(form(resource=ISSUER)).resources == (ISSUER,)
    for unknown in (
        "https://api.example/",
        "https://other.example",
        "api",
        "https://api.example#x",
    ):
        assert error_of(form(resource=unknown), by) == "invalid_target"
    assert error_of(form(resource=["https://api.example", ISSUER]), by) == "invalid_target"
    both = client(resources=("https://api.example", ISSUER))
    asked = ask_of(form(resource=["https://api.example", ISSUER]), both)
    assert asked.resources == ("https://api.example", ISSUER)


@pytest.mark.rfc("OIDC#3.1.2.1")
def test_prompt() -> None:
    assert ask_of(form(prompt="login consent")).prompt == {"login", "consent"}
    assert ask_of(form(prompt="none")).prompt == {"none"}
    assert error_of(form(prompt="none login")) == "invalid_request"
    assert error_of(form(prompt="dance")) == "invalid_request"


@pytest.mark.parametrize("max_age", ["-1", "1.5", "soon", "1e3", "9" * 11, "१"])
def test_max_age_is_a_number(max_age: str) -> None:
    assert error_of(form(max_age=max_age)) == "invalid_request"


@pytest.mark.rfc("OIDC#6")
@pytest.mark.attack("F3")
@pytest.mark.parametrize("name", ["request", "request_uri", "registration"])
def test_request_objects_are_refused_by_name(name: str) -> None:
    assert error_of(form(**{name: "http://169.254.169.254/"})) == f"{name}_not_supported"


@pytest.mark.rfc("OIDC#5.5")
def test_claims() -> None:
    ask = ask_of(
        form(claims='{"id_token":{"email":null,"sub":{"value":"usr_1"}},"userinfo":{"a":{}}}')
    )
    assert ask.subject == "usr_1"
    assert ask.claims == {"id_token": ["email", "sub"], "userinfo": ["a"]}
    assert ask_of(form(claims='{"userinfo":null,"x":1}')).claims == {}
    assert ask_of(form(claims='{"id_token":{"\\ud800":null,"email":1}}')).claims == {
        "id_token": ["email"]
    }
    for wrong in ("[]", "no", "{", "[" * 2000, "1" * 4000, '{"x":{},"x":{}}', '{"x":NaN}'):
        assert error_of(form(claims=wrong)) == "invalid_request"
    essential = '{"id_token":{"acr":{"essential":true,"values":["urn:x"]}}}'
    assert error_of(form(claims=essential)) == "unmet_authentication_requirements"
    reachable = f'{{"id_token":{{"acr":{{"essential":true,"values":["urn:x","{MULTI}"]}}}}}}'
    assert ask_of(form(claims=reachable)).acr_values == (MULTI,)
    two = '{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}'
    assert error_of(form(claims=two)) == "invalid_request"


def test_a_hint_and_claims_must_mean_the_same_user() -> None:
    ask = ask_of(form(claims='{"id_token":{"sub":{"value":"usr_1"}}}'))
    assert ask.for_subject("usr_1").subject == "usr_1"
    assert ask.for_subject(None).subject == "usr_1"
    assert ask_of(form()).for_subject("usr_2").subject == "usr_2"
    with pytest.raises(OAuthError):
        ask.for_subject("usr_2")


@pytest.mark.attack("A15")
@pytest.mark.rfc("9207#2")
def test_every_answer_names_the_issuer() -> None:
    target = ask_of(form()).target
    error = OAuthError("invalid_scope", "no")
    assert target.answer(ISSUER, {"code": "c"}).parameters["iss"] == ISSUER
    assert target.error(ISSUER, error).parameters == {
        "error": "invalid_scope",
        "error_description": "no",
        "state": "xyz",
        "iss": ISSUER,
    }
    stateless = ask_of(form(state=None)).target
    assert "state" not in stateless.error(ISSUER, error).parameters


@settings(deadline=None)
@given(
    name=st.sampled_from([*SOUND, "prompt", "max_age", "claims", "resource", "nonce"]),
    value=st.text(max_size=200),
)
def test_no_value_whatever_breaks_the_reader(name: str, value: str) -> None:
    try:
        asked = form(**{name: value})
    except ValueError:
        return  # not a form at all
    found = judge(asked)
    assert isinstance(found, Ask | Page | OAuthError)
    if isinstance(found, Ask):
        assert found.scope <= client().scope
        assert found.target.redirect_uri == CB
        assert found.code_challenge is not None


# What has to happen before the code

WHO = SignedIn(
    tenant_id=TENANT, user_id="usr_1", session_id="ses_1", auth_time=NOW - 60_000, amr=(), acr=None
)
AGAIN = replace(WHO, session_id="ses_2", auth_time=NOW + 5_000)
HERE = Arrival(NOW, "ses_1")


def grant(**changed: Any) -> Grant:
    made = Grant(
        tenant_id=TENANT,
        id="gra_1",
        user_id="usr_1",
        client_id="cli_1",
        scope=frozenset({"openid", "email"}),
        resources=(ISSUER,),
        created_at=0,
        updated_at=0,
        revoked_at=None,
    )
    return replace(made, **changed)


def step(
    who: SignedIn | None, granted: Grant | None, by: Client | None = None, **changed: Any
) -> str | None:
    by = by or client()
    return next_step(ask_of(form(**changed), by), by, HERE, who, granted)


def test_login_then_consent_then_nothing() -> None:
    assert step(None, None) == "login"
    assert step(WHO, None) == "consent"
    assert step(WHO, grant()) is None


@pytest.mark.attack("A20")
@pytest.mark.rfc("8252#8.6")
def test_consent_is_not_remembered_for_clients_that_anybody_can_be() -> None:
    public = client(token_endpoint_auth_method="none")
    assert step(WHO, grant(), public) == "consent"
    assert step(WHO, grant(), public, prompt="none") == "consent"
    assert step(WHO, grant(), prompt="none") is None


def test_more_than_was_allowed_is_asked_again() -> None:
    assert step(WHO, grant(), scope="openid assets:read") == "consent"
    assert step(WHO, grant(), scope="openid") is None
    assert step(WHO, grant(resources=("https://other.example",))) == "consent"
    assert step(WHO, grant(revoked_at=NOW)) == "consent"


def test_prompts_ask_although_nothing_is_missing() -> None:
    assert step(WHO, grant(), prompt="consent") == "consent"
    assert step(WHO, grant(), prompt="select_account") == "consent"
    assert step(WHO, grant(), prompt="login") == "login"
    assert step(WHO, grant(), prompt="create") == "signup"
    assert step(AGAIN, grant(), prompt="login") is None
    assert step(AGAIN, grant(), prompt="create") is None
    assert step(AGAIN, grant(), prompt="login consent") == "consent"


@pytest.mark.attack("A22")
@pytest.mark.rfc("OIDC#3.1.2.1")
def test_a_demanded_login_is_a_new_one() -> None:
    older = replace(WHO, session_id="ses_0")
    assert step(older, grant(), prompt="login") == "login"
    same_moment = replace(WHO, auth_time=NOW)
    assert step(same_moment, grant(), prompt="login") == "login"


@pytest.mark.attack("A22")
@pytest.mark.parametrize(
    ("max_age", "age_ms", "expected"),
    [
        ("0", 0, "login"),
        ("0", 1, "login"),
        ("1", 999, None),
        ("1", 1_000, "login"),
        ("60", 59_999, None),
        ("60", 60_000, "login"),
    ],
)
def test_max_age_counts_at_the_request(max_age: str, age_ms: int, expected: str | None) -> None:
    who = replace(WHO, auth_time=NOW - age_ms)
    assert step(who, grant(), max_age=max_age) == expected
    assert step(AGAIN, grant(), max_age=max_age) is None


@pytest.mark.attack("A22")
def test_another_user_than_the_one_hinted_at_has_to_sign_in() -> None:
    claims = '{"id_token":{"sub":{"value":"usr_2"}}}'
    assert step(WHO, grant(), claims=claims) == "login"
    assert step(AGAIN, grant(), claims=claims) == "login"
    assert step(replace(AGAIN, user_id="usr_2"), grant(), claims=claims) is None


@pytest.mark.rfc("OIDC#3.1.2.6")
def test_what_prompt_none_is_told() -> None:
    assert required("login").error == "login_required"
    assert required("signup").error == "login_required"
    assert required("consent").error == "consent_required"
