"""Who may call our own APIs: tokens, API keys, and everything that is neither."""

import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey
from tests.back import ISSUER, OTHER, TENANT, Back, back_of
from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.core.model import Key, TenantId, User
from safeconduct.core.scopes import OPERATOR_SCOPES
from safeconduct.core.unit import Find, Ref, Update
from safeconduct.ports.store import Store
from safeconduct.services.access import HELD


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


async def rule(back: Back, token: str) -> str:
    """The rule by which the token is refused; empty for one that is not."""
    try:
        await back.access.bearer(token)
    except OAuthError as error:
        if error.error != "invalid_token" or error.status != 401:
            raise
        return error.rule
    return ""


async def test_whose_token_it_is(back: Back) -> None:
    app = await back.client(profile="calico")
    token = (await back.signed_in(app, scope="openid assets:read"))["access_token"]
    bearer = await back.access.bearer(token)
    assert bearer == replace(
        bearer,
        tenant_id=TENANT,
        client_id=app.client.id,
        user_id=back.user.id,
        scope=frozenset({"openid", "assets:read"}),
        resources=(ISSUER,),
        profile="calico",
    )
    assert bearer.grant_id == (await back.grants.of_user(TENANT, back.user.id))[0].id


@pytest.mark.attack("H7")
async def test_audience_and_expiry(back: Back) -> None:
    api = "https://api.example"
    app = await back.client(resources=[ISSUER, api])
    assert await rule(back, (await back.signed_in(app))["access_token"]) == ""
    foreign = (await back.signed_in(app, resources=(api,)))["access_token"]
    assert await rule(back, foreign) == "token.audience"
    token = (await back.signed_in(app))["access_token"]
    back.clock.advance(900_000)
    assert await rule(back, token) == "token.expired"


@pytest.mark.attack("C12")
@pytest.mark.attack("H4")
async def test_each_end_has_its_rule(back: Back) -> None:
    app = await back.client()

    async def token() -> str:
        return str((await back.signed_in(app))["access_token"])

    revoked = await token()
    await back.post("/oauth2/revoke", {"token": revoked}, app)
    assert await rule(back, revoked) == "token.revoked"
    held = await token()
    (grant,) = await back.grants.of_user(TENANT, back.user.id)
    await back.grants.revoke(TENANT, grant.id, actor="operator")
    assert await rule(back, held) == "family.revoked"
    held = await token()
    await back.clients.disable(TENANT, app.client.id, actor="operator")
    assert await rule(back, held) == "client.disabled"
    await back.clients.enable(TENANT, app.client.id, actor="operator")
    assert await rule(back, held) == "client.not_before"
    back.clock.advance(10)
    held = await token()
    assert await rule(back, held) == ""
    await back.clients.delete(TENANT, app.client.id, actor="operator")
    assert await rule(back, held) == "client.gone"


@pytest.mark.attack("D15")
@pytest.mark.rfc("9068#4")
@pytest.mark.rfc("8725#3.11")
async def test_forged_jwts(back: Back) -> None:
    app = await back.client()
    good = (await back.signed_in(app))["access_token"]
    signer = back.keys.of(TENANT).signer
    claims = {**_claims(good)}
    assert await rule(back, signer.sign(claims, typ="at+jwt")) == ""
    assert await rule(back, signer.sign(claims, typ="JWT")) == "token.unknown"
    assert await rule(back, signer.sign(claims, typ="at+JWT")) == "token.unknown"
    elsewhere = {**claims, "iss": "https://evil.test"}
    assert await rule(back, signer.sign(elsewhere, typ="at+jwt")) == "token.issuer"
    for name in ("iss", "exp", "aud", "client_id", "jti", "scope", "iat"):
        missing = {key: value for key, value in claims.items() if key != name}
        assert await rule(back, signer.sign(missing, typ="at+jwt")) == "token.unknown", name
    header = {"alg": "ES256", "typ": "at+jwt", "kid": signer.kid}
    mine = ECKey.generate_key("P-256")
    assert await rule(back, jwt.encode(header, claims, mine)) == "token.unknown"
    rsa = jwt.encode({**header, "alg": "RS256"}, claims, RSAKey.generate_key(2048))
    assert await rule(back, rsa) == "token.unknown"
    published = ECKey.import_key(dict(back.keys.of(TENANT).public[signer.kid]))
    for secret in (published.as_pem(private=False), b"", signer.kid.encode()):
        assert await rule(back, _hs256(header, claims, secret)) == "token.unknown"
    embedded = {**header, "jwk": mine.as_dict(private=False)}
    assert await rule(back, jwt.encode(embedded, claims, mine)) == "token.unknown"
    head, body, signature = good.split(".")
    for other in (
        f"{head}.{body}.",
        f"{head}.{body}.{'A' * 86}",
        f"eyJhbGciOiJub25lIn0.{body}.",
        f"{head}.{body}.{signature}=",
        f"{head}.{body}.{signature}.x",
        f".{body}.{signature}",
        "W10.e30.x",
        "[" * 5_000 + ".e30.x",
        "x" * 20_000,
    ):
        assert await rule(back, other) == "token.unknown"


def _claims(token: str) -> dict[str, object]:
    return dict(json.loads(jws.extract_compact(token.encode()).payload))


def _hs256(header: dict[str, str], claims: dict[str, object], secret: bytes) -> str:
    """A public key taken for a secret."""
    parts = [json.dumps(part).encode() for part in ({**header, "alg": "HS256"}, claims)]
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    tag = urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")
    return (text + b"." + tag).decode()


@pytest.mark.attack("H5")
async def test_a_verified_signature_is_held_but_not_the_answer(back: Back) -> None:
    app = await back.client()
    token = (await back.signed_in(app))["access_token"]
    assert await rule(back, token) == ""
    await back.post("/oauth2/revoke", {"token": token}, app)
    assert await rule(back, token) == "token.revoked"
    machine = await back.machine()
    for _ in range(3):
        form = {"grant_type": "client_credentials"}
        text = (await back.post("/oauth2/token", form, machine)).json["access_token"]
        await back.access.bearer(text)
    assert len(back.access._verified) <= HELD


@pytest.mark.attack("D14")
async def test_what_a_retired_key_signed_is_dead_even_if_it_was_verified_before(back: Back) -> None:
    app = await back.client()
    token = (await back.signed_in(app))["access_token"]
    assert await rule(back, token) == ""
    await back.keys.rotate(TENANT, "sign", actor="operator")
    await back.keys.rotate(TENANT, "sign", actor="operator")
    assert await rule(back, token) == ""
    (old,) = await back.store.find(Find(Key, {"tenant_id": TENANT, "status": "previous"}))
    ref = Ref(Key, tenant_id=TENANT, id=old.id)
    await back.write(Update(ref, {"status": "retired"}))
    await back.keys.load()
    assert await rule(back, token) == "token.unknown"


@pytest.mark.attack("H11")
async def test_a_token_of_another_tenant_is_that_tenants(back: Back) -> None:
    foreign = await back.client(OTHER)
    stranger = await back.new_user("eve@example.org", OTHER)
    reply = await back.redeem(foreign, await back.code(foreign, stranger))
    bearer = await back.access.bearer(reply.json["access_token"])
    assert bearer.tenant_id == OTHER
    assert bearer.user_id == stranger.id
    with pytest.raises(OAuthError) as refused:
        await back.access.bearer(reply.json["access_token"], at=TENANT)
    assert refused.value.rule == "token.tenant"
    assert await back.access.bearer(reply.json["access_token"], at=OTHER) == bearer


# API keys


async def key(back: Back, **more: object) -> str:
    data = {"name": "CI", "scope": frozenset({"clients:read"}), "actor": "operator", **more}
    _, secret = await back.api_keys.create(TENANT, **data)  # type: ignore[arg-type]
    return secret.reveal()


@pytest.mark.parametrize("prefix", ["sc_key_", "cal_"])
async def test_an_api_key(back: Back, prefix: str) -> None:
    text = await key(back, prefix=prefix)
    assert text.startswith(f"{prefix}t1.key_")
    bearer = await back.access.bearer(text)
    assert isinstance(bearer, Bearer)
    assert (bearer.kind, bearer.user_id) == ("api_key", None)
    assert bearer.actor == f"api_key:{bearer.client_id}"
    bearer.require("clients:read")
    with pytest.raises(OAuthError, match="insufficient_scope"):
        bearer.require("clients:write")


@pytest.mark.attack("P14")
async def test_a_revoked_key_is_dead_on_the_next_request(back: Back) -> None:
    text = await key(back)
    id = (await back.access.bearer(text)).client_id
    await back.api_keys.revoke(TENANT, id, actor="operator")
    await back.api_keys.revoke(TENANT, id, actor="operator")
    assert await rule(back, text) == "api_key.revoked"
    assert await back.api_keys.list(TENANT) == ()
    assert len(await back.events("api_key.revoked")) == 1


async def test_an_expired_key_and_one_of_a_disabled_user(back: Back) -> None:
    brief = await key(back, expires_at=back.clock.now() + 1_000)
    assert await rule(back, brief) == ""
    back.clock.advance(1_000)
    assert await rule(back, brief) == "api_key.expired"
    mine = await key(back, user_id=back.user.id)
    assert (await back.access.bearer(mine)).user() == back.user.id
    ref = Ref(User, tenant_id=TENANT, id=back.user.id)
    await back.write(Update(ref, {"status": "disabled"}))
    assert await rule(back, mine) == "user.disabled"


@pytest.mark.attack("B12")
@pytest.mark.attack("P5")
async def test_altered_and_foreign_keys(back: Back) -> None:
    text = await key(back)
    assert await rule(back, text) == ""
    for wrong in (
        text[:-1],
        text + "A",
        text.replace("t1.", "t2."),
        text.replace("t1.", "t9."),
        text.replace("sc_key_", "cal_"),
        "sc_key_",
        "sc_key_..",
        "cal_t1.key_1.x",
        "sc_key_t1.a.b.c",
    ):
        assert await rule(back, wrong) == "api_key.unknown"


async def test_a_key_needs_scopes_that_there_are(back: Back) -> None:
    for scope in (frozenset[str](), frozenset({"root"}), frozenset({"openid"})):
        with pytest.raises(ApiError, match="invalid_scope"):
            await key(back, scope=scope)
    with pytest.raises(ApiError, match="invalid_prefix"):
        await key(back, prefix="sk_")
    with pytest.raises(ApiError, match="user_not_found"):
        await key(back, user_id="usr_nobody")
    await key(back, scope=frozenset(OPERATOR_SCOPES))


async def test_keys_are_listed_by_user(back: Back) -> None:
    mine, other = await key(back, user_id=back.user.id), await key(back)
    ids = [row.id for row in await back.api_keys.list(TENANT, user_id=back.user.id)]
    assert ids == [(await back.access.bearer(mine)).client_id]
    assert len(await back.api_keys.list(TENANT)) == 2
    assert await back.api_keys.list(TenantId("t2")) == ()
    assert other not in repr(await back.api_keys.list(TENANT))
