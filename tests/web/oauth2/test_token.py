"""The token endpoint: codes, credentials, and the shape of requests (ATTACKS group B)."""

import pytest
from tests.back import (
    FORM,
    ISSUER,
    OTHER,
    REDIRECT,
    TENANT,
    VERIFIER,
    Back,
    back_of,
    basic_of,
    secret_of,
)
from tests.conftest import SettableClock
from tests.web.oauth2.answers import refused, verified

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.id_token import at_hash
from safeconduct.core.model import AccessToken, Code, Tenant, TokenFamily, User
from safeconduct.core.pkce import challenge_of
from safeconduct.core.revocation import ended
from safeconduct.core.unit import Find, Ref, Update, Write
from safeconduct.ports.store import Store

TOKEN = "/oauth2/token"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


# What must work


@pytest.mark.rfc("6749#5.1")
async def test_a_code_becomes_tokens(back: Back) -> None:
    app = await back.client()
    reply = await back.redeem(app, await back.code(app))
    assert reply.status == 200
    assert reply.header("cache-control") == "no-store"
    tokens = reply.json
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 900
    assert tokens["scope"] == "openid offline_access"
    claims = await verified(back, tokens["access_token"])
    assert claims["iss"] == ISSUER
    assert claims["sub"] == back.user.id
    assert claims["aud"] == ISSUER
    assert claims["client_id"] == app.client.id
    assert claims["exp"] - claims["iat"] == 900
    (event,) = await back.events("code.redeemed")
    assert event.user_id == back.user.id


@pytest.mark.rfc("OIDC#3.1.3.3")
async def test_openid_gives_an_id_token(back: Back) -> None:
    app = await back.client()
    tokens = await back.signed_in(app, nonce="n-0S6")
    claims = await verified(back, tokens["id_token"])
    assert claims["aud"] == app.client.id
    assert claims["nonce"] == "n-0S6"
    assert claims["auth_time"] == back.clock.now() // 1000 - 5
    assert claims["at_hash"] == at_hash(tokens["access_token"])
    assert "id_token" not in await back.signed_in(app, scope="assets:read")


@pytest.mark.rfc("OIDC#11")
async def test_offline_access_gives_a_refresh_token(back: Back) -> None:
    app = await back.client()
    assert "refresh_token" in await back.signed_in(app, scope="openid offline_access")
    assert "refresh_token" not in await back.signed_in(app, scope="openid")
    calico = await back.client(profile="calico")
    assert "refresh_token" in await back.signed_in(calico, scope="openid")


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth/token"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_every_advertised_method_works_on_both_paths(
    back: Back, path: str, method: str
) -> None:
    app = await back.client(token_endpoint_auth_method=method)
    form = {
        "grant_type": "authorization_code",
        "code": await back.code(app),
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    assert (await back.post(path, form, app)).status == 200


@pytest.mark.rfc("6749#4.4")
async def test_client_credentials_leave_no_row(back: Back) -> None:
    machine = await back.machine("users:read users:write", default_scope="users:read")
    before = await back.snapshot()
    reply = await back.post(TOKEN, {"grant_type": "client_credentials"}, machine)
    assert reply.status == 200
    assert reply.json.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert reply.json["scope"] == "users:read"
    assert (await verified(back, reply.json["access_token"]))["sub"] == machine.client.id
    assert await back.snapshot() == before
    assert back.tokens.issued["client_credentials"] == 1
    assert not await back.events("token.issued")


async def test_opaque_tokens_are_rows_of_digests(back: Back) -> None:
    machine = await back.machine(access_token_format="opaque")
    reply = await back.post(TOKEN, {"grant_type": "client_credentials"}, machine)
    text = reply.json["access_token"]
    assert text.startswith("sc_at_t1.")
    (row,) = await back.store.find(Find(AccessToken, {"tenant_id": TENANT}))
    assert text not in repr(row)
    assert text.split(".")[2] not in repr(row)
    assert (await back.introspect(machine, text))["active"]
    assert len(await back.events("token.issued")) == 1


async def test_tokens_of_alpaca_do_not_expire_and_are_sixteen_at_most(back: Back) -> None:
    app = await back.client(profile="alpaca")
    assert len(app.client.id) == 32
    given = []
    for _ in range(17):
        back.clock.advance(1)
        given.append(await back.signed_in(app, scope="general"))
    assert given[0].keys() == {"access_token", "token_type", "scope"}
    back.clock.advance(10 * 365 * 86_400_000)
    answers = [await back.introspect(app, each["access_token"]) for each in given]
    assert [answer["active"] for answer in answers] == [False] + [True] * 16
    assert "exp" not in answers[1]


# B: codes and the shape of requests


@pytest.mark.attack("B3")
@pytest.mark.parametrize("verifier", [None, ""])
async def test_a_challenged_code_needs_a_verifier(back: Back, verifier: str | None) -> None:
    app = await back.client()
    refused(await back.redeem(app, await back.code(app), code_verifier=verifier), "invalid_grant")
    assert (await back.redeem(app, await back.code(app))).status == 200


@pytest.mark.attack("B4")
@pytest.mark.rfc("9700#4.8.2")
async def test_a_verifier_without_a_challenge_is_a_downgrade(back: Back) -> None:
    app = await back.client(require_pkce=False)
    code = await back.code(app, code_challenge=None)
    refused(await back.redeem(app, code), "invalid_grant")
    plain = await back.code(app, code_challenge=None)
    assert (await back.redeem(app, plain, code_verifier=None)).status == 200


@pytest.mark.attack("B5")
@pytest.mark.attack("B11")
@pytest.mark.parametrize(
    "verifier", ["w" * 43, "v" * 42, "v" * 44, "v" * 129, "v" * 42 + "!", challenge_of(VERIFIER)]
)
async def test_a_wrong_verifier(back: Back, verifier: str) -> None:
    app = await back.public()
    code = await back.code(app)
    refused(await back.redeem(app, code, code_verifier=verifier), "invalid_grant")
    assert (await back.redeem(app, code)).status == 200, "an unproven client spends nothing"


async def test_a_client_that_proved_itself_has_one_try(back: Back) -> None:
    app = await back.client()
    code = await back.code(app)
    refused(await back.redeem(app, code, code_verifier="w" * 43), "invalid_grant")
    refused(await back.redeem(app, code), "invalid_grant")


@pytest.mark.attack("B6")
@pytest.mark.rfc("6749#4.1.2")
@pytest.mark.parametrize("later", [0, 30_000, 20 * 60_000])
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_a_code_used_again_ends_what_it_gave(
    back: Back, later: int, token_format: str
) -> None:
    app = await back.client(access_token_format=token_format)
    code = await back.code(app)
    tokens = (await back.redeem(app, code)).json
    bystander = await back.signed_in(app)
    back.clock.advance(later)
    refused(await back.redeem(app, code), "invalid_grant")
    assert await back.introspect(app, tokens["access_token"]) == {"active": False}
    refused(await back.refresh(app, tokens["refresh_token"]), "invalid_grant")
    assert (await back.refresh(app, bystander["refresh_token"])).status == 200
    (event,) = await back.events("code.reused")
    assert event.outcome == "denied"


@pytest.mark.attack("B9")
@pytest.mark.rfc("6749#4.1.3")
@pytest.mark.parametrize(
    "uri", ["https://app.example/other", "https://app.example/cb/", None, "HTTPS://app.example/cb"]
)
async def test_the_redirect_uri_is_that_of_the_request(back: Back, uri: str | None) -> None:
    app = await back.client()
    refused(await back.redeem(app, await back.code(app), redirect_uri=uri), "invalid_grant")
    assert (await back.redeem(app, await back.code(app))).status == 200


@pytest.mark.rfc("6749#4.1.3")
async def test_a_redirect_uri_left_out_may_stay_out(back: Back) -> None:
    app = await back.client()
    code = await back.code(app, redirect_uri_given=False)
    assert (await back.redeem(app, code, redirect_uri=None)).status == 200
    code = await back.code(app, redirect_uri_given=False)
    refused(await back.redeem(app, code, redirect_uri="https://evil.test/"), "invalid_grant")


@pytest.mark.attack("B10")
@pytest.mark.invariant("V14")
@pytest.mark.parametrize("back_by", [0, 10_000])
async def test_a_code_lives_a_minute(back: Back, back_by: int) -> None:
    app = await back.client()
    young, old = await back.code(app), await back.code(app)
    back.clock.advance(59_999)
    assert (await back.redeem(app, young)).status == 200
    back.clock.advance(1)
    refused(await back.redeem(app, old), "invalid_grant")
    back.clock.advance(back_by)
    refused(await back.redeem(app, old), "invalid_grant")


@pytest.mark.attack("B11")
async def test_a_code_of_another_client(back: Back) -> None:
    app, thief = await back.client(), await back.client()
    code = await back.code(app)
    refused(await back.redeem(thief, code), "invalid_grant")
    assert (await back.redeem(app, code)).status == 200


def altered(token: str) -> list[str]:
    head, _, tail = token.rpartition(".")
    return [token[:-1], token + "A", token + "=", f"{head}.{tail.swapcase()}", token.upper()]


@pytest.mark.attack("B12")
async def test_only_the_exact_bytes_of_a_token_work(back: Back) -> None:
    app = await back.client(access_token_format="opaque")
    code = await back.code(app)
    for wrong in altered(code):
        refused(await back.redeem(app, wrong), "invalid_grant")
    reply = await back.redeem(app, code)
    assert reply.status == 200
    tokens = reply.json
    for wrong in altered(tokens["refresh_token"]):
        refused(await back.refresh(app, wrong), "invalid_grant")
        assert await back.introspect(app, wrong) == {"active": False}
    for wrong in altered(tokens["access_token"]):
        assert await back.introspect(app, wrong) == {"active": False}
        refused(await back.userinfo(wrong), "invalid_token", 401)
    assert (await back.userinfo(tokens["access_token"])).status == 200
    assert (await back.refresh(app, tokens["refresh_token"])).status == 200


@pytest.mark.attack("B13")
@pytest.mark.attack("D15")
async def test_one_kind_of_token_is_not_another(back: Back) -> None:
    app = await back.client()
    code = await back.code(app)
    tokens = await back.signed_in(app)
    before = await back.snapshot()
    for text in (code, tokens["access_token"], tokens["id_token"]):
        refused(await back.refresh(app, text), "invalid_grant")
    for text in (tokens["refresh_token"], tokens["access_token"], tokens["id_token"]):
        refused(await back.redeem(app, text), "invalid_grant")
    for text in (code, tokens["refresh_token"], tokens["id_token"]):
        refused(await back.userinfo(text), "invalid_token", 401)
    assert await back.snapshot() == before
    assert (await back.userinfo(tokens["access_token"])).status == 200
    assert (await back.redeem(app, code)).status == 200


@pytest.mark.attack("B14")
@pytest.mark.parametrize(
    ("grant_type", "error"),
    [
        ("password", "unsupported_grant_type"),
        ("implicit", "unsupported_grant_type"),
        ("Refresh_Token", "unsupported_grant_type"),
        ("urn:ietf:params:oauth:grant-type:device_code", "unauthorized_client"),
        ("__init__", "unsupported_grant_type"),
        ("client_credentials", "unauthorized_client"),
        (None, "invalid_request"),
        ("", "invalid_request"),
    ],
)
async def test_other_grants(back: Back, grant_type: str | None, error: str) -> None:
    app = await back.client()
    fields = {"grant_type": grant_type, "username": "a", "password": "b"}
    refused(await back.post(TOKEN, fields, app), error)


@pytest.mark.attack("B14")
async def test_a_public_client_has_no_credentials(back: Back) -> None:
    app = await back.public()
    fields = {"grant_type": "client_credentials"}
    refused(await back.post(TOKEN, fields, app), "unauthorized_client")
    assert (await back.post(TOKEN, fields, await back.machine())).status == 200


@pytest.mark.attack("B15")
@pytest.mark.rfc("6749#3.2")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"])
async def test_other_methods(back: Back, method: str) -> None:
    for path in (TOKEN, "/oauth2/introspect", "/oauth2/revoke"):
        reply = await back.send(method, path)
        assert reply.status == 405
        assert "POST" in (reply.header("allow") or "")


@pytest.mark.attack("B15")
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"application/json")],
        [(b"content-type", b"multipart/form-data; boundary=x")],
        [(b"content-type", b"text/plain")],
        [(b"content-type", FORM.encode() + b"; charset=utf-16")],
        [(b"content-type", FORM.encode()), (b"content-type", FORM.encode())],
        [(b"content-type", FORM.encode() + b"x")],
    ],
)
async def test_other_content_types(back: Back, headers: list[tuple[bytes, bytes]]) -> None:
    machine = await back.machine()
    auth = (b"authorization", basic_of(machine).encode())
    body = b"grant_type=client_credentials"
    refused(await back.send("POST", TOKEN, [*headers, auth], body), "invalid_request")
    good = (b"content-type", FORM.encode() + b"; charset=UTF-8")
    assert (await back.send("POST", TOKEN, [good, auth], body)).status == 200


@pytest.mark.attack("B15")
async def test_nothing_in_the_query_counts(back: Back) -> None:
    machine = await back.machine(token_endpoint_auth_method="client_secret_post")
    query = (
        f"grant_type=client_credentials&client_id={machine.client.id}"
        f"&client_secret={secret_of(machine)}"
    ).encode()
    headers = {"content-type": FORM}
    refused(await back.send("POST", TOKEN, headers, b"", query), "invalid_request")
    refused(await back.send("POST", TOKEN, headers, b"grant_type=x", query), "invalid_request")
    assert (await back.send("POST", TOKEN, headers, query)).status == 200


@pytest.mark.attack("A12")
@pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "code_verifier", "x"])
async def test_repeated_parameters(back: Back, name: str) -> None:
    app = await back.public()
    body = (
        f"grant_type=authorization_code&client_id={app.client.id}&code=a&{name}=1&{name}=2"
    ).encode()
    refused(await back.send("POST", TOKEN, {"content-type": FORM}, body), "invalid_request")


@pytest.mark.attack("B16")
@pytest.mark.parametrize(
    "scope",
    [
        "users:write",
        "users:read users:write",
        "openid",
        "",
        " users:read",
        "users:read  users:read",
        'users"read',
        "users\tread",
        " ".join(f"s{n}" for n in range(10_000)),
        "x" * 10_000,
        "ü",
    ],
)
async def test_scope_beyond_the_clients_allowance(back: Back, scope: str) -> None:
    machine = await back.machine()
    form = {"grant_type": "client_credentials"}
    refused(await back.post(TOKEN, {**form, "scope": scope}, machine), "invalid_scope")
    assert (await back.post(TOKEN, {**form, "scope": "users:read"}, machine)).status == 200
    assert (await back.post(TOKEN, form, machine)).json["scope"] == "users:read"


@pytest.mark.attack("B17")
@pytest.mark.rfc("8707#2.2")
async def test_the_audience_is_what_was_granted(back: Back) -> None:
    api = "https://api.example"
    app = await back.client(resources=[ISSUER, api])
    tokens = (await back.redeem(app, await back.code(app, resources=(api,)), resource=api)).json
    assert (await verified(back, tokens["access_token"]))["aud"] == api
    code = await back.code(app, resources=(api,))
    refused(await back.redeem(app, code, resource=ISSUER), "invalid_target")
    reply = await back.refresh(app, tokens["refresh_token"], resource="https://b.example")
    refused(reply, "invalid_target")
    later = (await back.refresh(app, tokens["refresh_token"])).json
    assert (await verified(back, later["access_token"]))["aud"] == api


@pytest.mark.attack("B17")
async def test_resources_of_a_machine(back: Back) -> None:
    machine = await back.machine(resources=["https://api.example"])
    form = {"grant_type": "client_credentials"}
    for wrong in (ISSUER, "https://other.example", "https://api.example/"):
        refused(await back.post(TOKEN, {**form, "resource": wrong}, machine), "invalid_target")
    two = b"grant_type=client_credentials&resource=https://api.example&resource=https://b.example"
    headers = {"content-type": FORM, "authorization": basic_of(machine)}
    refused(await back.send("POST", TOKEN, headers, two), "invalid_target")
    reply = await back.post(TOKEN, {**form, "resource": "https://api.example"}, machine)
    assert (await verified(back, reply.json["access_token"]))["aud"] == "https://api.example"


# Who may no longer


@pytest.mark.attack("C7")
@pytest.mark.parametrize("end", ["client", "grant", "user", "tenant"])
async def test_what_has_ended_gives_nothing(back: Back, end: str) -> None:
    app = await back.client()
    resource = await back.client(resources=[ISSUER])
    tokens, code = await back.signed_in(app), await back.code(app)
    assert (await back.introspect(resource, tokens["access_token"]))["active"]
    if end == "client":
        await back.clients.disable(TENANT, app.client.id, actor="operator")
    elif end == "grant":
        (grant,) = await back.grants.of_user(TENANT, back.user.id)
        await back.grants.revoke(TENANT, grant.id, actor=f"user:{back.user.id}")
    elif end == "user":
        ref = Ref(User, tenant_id=TENANT, id=back.user.id)
        await back.write(Update(ref, {"status": "disabled"}), *_user_ends(back))
    else:
        await _suspend(back)
    status = 400
    refused(await back.redeem(app, code), "invalid_grant", status)
    refused(await back.refresh(app, tokens["refresh_token"]), "invalid_grant", status)
    refused(await back.userinfo(tokens["access_token"]), "invalid_token", 401)
    if end != "tenant":
        assert await back.introspect(resource, tokens["access_token"]) == {"active": False}


@pytest.mark.attack("C7")
async def test_a_code_from_before_a_new_password_is_dead(back: Back) -> None:
    app = await back.client()
    before = await back.code(app)
    back.clock.advance(1)
    ref = Ref(User, tenant_id=TENANT, id=back.user.id)
    await back.write(Update(ref, {"not_before": back.clock.now()}), *_user_ends(back))
    refused(await back.redeem(app, before), "invalid_grant")
    assert (await back.redeem(app, await back.code(app))).status == 200


def _user_ends(back: Back) -> tuple[Write, ...]:
    return ended("user.disabled", TENANT, back.user.id, back.clock.now(), "disabled")


async def _suspend(back: Back) -> None:
    await back.write(Update(Ref(Tenant, tenant_id=TENANT), {"status": "suspended"}))
    back.clients.forget()


@pytest.mark.attack("C7")
@pytest.mark.invariant("V3")
async def test_enabling_a_client_revives_nothing(back: Back) -> None:
    app = await back.client()
    tokens, code = await back.signed_in(app), await back.code(app)
    await back.clients.disable(TENANT, app.client.id, actor="operator")
    await back.clients.enable(TENANT, app.client.id, actor="operator")
    refused(await back.refresh(app, tokens["refresh_token"]), "invalid_grant")
    refused(await back.redeem(app, code), "invalid_grant")
    assert await back.introspect(app, tokens["access_token"]) == {"active": False}
    back.clock.advance(2)
    fresh = await back.signed_in(app)
    assert (await back.introspect(app, fresh["access_token"]))["active"]
    assert (await back.refresh(app, fresh["refresh_token"])).status == 200


@pytest.mark.attack("C7")
async def test_a_disabled_machine(back: Back) -> None:
    machine = await back.machine()
    form = {"grant_type": "client_credentials"}
    token = (await back.post(TOKEN, form, machine)).json["access_token"]
    watcher = await back.client(resources=[ISSUER])
    assert (await back.introspect(watcher, token))["active"]
    await back.clients.disable(TENANT, machine.client.id, actor="operator")
    refused(await back.post(TOKEN, form, machine), "invalid_client", 401)
    assert await back.introspect(watcher, token) == {"active": False}
    await back.clients.enable(TENANT, machine.client.id, actor="operator")
    assert await back.introspect(watcher, token) == {"active": False}
    again = (await back.post(TOKEN, form, machine)).json["access_token"]
    assert (await back.introspect(watcher, again))["active"]


@pytest.mark.attack("P2")
async def test_tokens_of_another_tenant(back: Back) -> None:
    app = await back.client()
    foreign = await back.client(OTHER)
    token = (await back.signed_in(app))["refresh_token"]
    refused(await back.refresh(foreign, token), "invalid_grant")
    refused(await back.redeem(foreign, await back.code(app)), "invalid_grant")
    assert (await back.refresh(app, token)).status == 200


# Records of what was refused


async def test_a_proven_clients_refusal_is_an_event(back: Back) -> None:
    app = await back.client()
    error_id = refused(await back.refresh(app, "nonsense"), "invalid_grant")
    (event,) = await back.events("token.presented")
    assert (event.id, event.outcome, event.rule) == (error_id, "denied", "refresh.unknown")
    assert event.client_id == app.client.id
    assert await back.denials.find(TENANT, error_id) is None


@pytest.mark.invariant("F27")
async def test_an_unproven_callers_refusal_is_in_memory_only(back: Back) -> None:
    app = await back.public()
    before = len(await back.events())
    error_id = refused(await back.refresh(app, "nonsense"), "invalid_grant")
    assert len(await back.events()) == before
    denial = await back.denials.find(TENANT, error_id)
    assert denial is not None
    assert (denial.rule, denial.client_id) == ("refresh.unknown", app.client.id)


@pytest.mark.invariant("F27")
async def test_the_memory_of_refusals_is_bounded(back: Back) -> None:
    app = await back.public()
    back.denials.size = 5
    ids = [refused(await back.refresh(app, "x"), "invalid_grant") for _ in range(8)]
    assert [denial.id for denial in back.denials.recent()] == ids[:-6:-1]
    assert await back.denials.find(TENANT, ids[0]) is None


# From a page


@pytest.mark.attack("H8")
async def test_scripts_of_public_clients_may_call_without_credentials(back: Back) -> None:
    preflight = await back.send("OPTIONS", TOKEN, {"origin": "https://spa.example"})
    assert preflight.status == 204
    assert preflight.header("access-control-allow-origin") == "*"
    assert preflight.header("access-control-allow-credentials") is None
    assert "authorization" not in (preflight.header("access-control-allow-headers") or "")
    app, confidential = await back.public(), await back.client()
    reply = await back.redeem(app, await back.code(app))
    assert reply.header("access-control-allow-origin") == "*"
    reply = await back.redeem(confidential, await back.code(confidential))
    assert reply.header("access-control-allow-origin") is None
    assert (await back.send("OPTIONS", "/oauth2/introspect")).status == 405


async def test_a_row_of_a_code_says_what_became_of_it(back: Back) -> None:
    app = await back.client()
    await back.signed_in(app)
    (code,) = await back.store.find(Find(Code, {"tenant_id": TENANT}))
    (family,) = await back.store.find(Find(TokenFamily, {"tenant_id": TENANT}))
    assert (code.consumed_at, code.family_id) == (back.clock.now(), family.id)
