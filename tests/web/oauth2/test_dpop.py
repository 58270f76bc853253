"""RFC 9449 at the endpoints: whose tokens are bound, and who may use them."""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.back import FORM, ISSUER, TENANT, Back, Reply, back_of, basic_of
from tests.conftest import SettableClock
from tests.dpop import Holder
from tests.web.oauth2.answers import refused, verified

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.dpop import NONCE_STEP, NONCE_STEPS
from safeconduct.core.errors import OAuthError
from safeconduct.core.model import Code, Spent
from safeconduct.core.sender import NOBODY, Sender
from safeconduct.core.unit import DeleteAll, Find, Ref, Update
from safeconduct.ports.store import Store
from safeconduct.services.clients import Created

TOKEN, USERINFO = "/oauth2/token", "/oauth2/userinfo"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


@pytest.fixture
async def strict(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    """A server that asks for nonces."""
    return await back_of(store, clock, mint, nonces=True)


@pytest.fixture
def holder(clock: SettableClock) -> Holder:
    return Holder(clock.now() // 1000)


async def ask(back: Back, made: Created, form: dict[str, str], *proofs: str) -> Reply:
    headers = [(b"content-type", FORM.encode())]
    fields = dict(form)
    if made.secret is None:
        fields["client_id"] = made.client.id
    else:
        headers.append((b"authorization", basic_of(made).encode()))
    headers += [(b"dpop", proof.encode()) for proof in proofs]
    return await back.send("POST", TOKEN, headers, urlencode(fields).encode())


async def machine_token(back: Back, made: Created, holder: Holder, **changed: Any) -> Reply:
    proof = holder.proof("POST", ISSUER + TOKEN, **changed)
    return await ask(back, made, {"grant_type": "client_credentials"}, proof)


async def user_tokens(back: Back, made: Created, holder: Holder) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": await back.code(made),
        "redirect_uri": "https://app.example/cb",
        "code_verifier": "v" * 43,
    }
    reply = await ask(back, made, form, holder.proof("POST", ISSUER + TOKEN))
    assert reply.status == 200, reply.body
    tokens: dict[str, Any] = reply.json
    return tokens


async def refresh(back: Back, made: Created, token: str, *proofs: str) -> Reply:
    return await ask(back, made, {"grant_type": "refresh_token", "refresh_token": token}, *proofs)


async def userinfo(
    back: Back, token: str, *proofs: str, scheme: str = "DPoP", method: str = "GET"
) -> Reply:
    headers = [(b"authorization", f"{scheme} {token}".encode())]
    return await back.send(
        method, USERINFO, [*headers, *((b"dpop", proof.encode()) for proof in proofs)]
    )


# Where tokens are given


@pytest.mark.rfc("9449#5")
@pytest.mark.rfc("9449#6.1")
@pytest.mark.parametrize("kind", ["jwt", "opaque"])
async def test_a_token_is_bound_to_the_key_of_its_proof(
    back: Back, holder: Holder, kind: str
) -> None:
    app = await back.machine(access_token_format=kind)
    reply = await machine_token(back, app, holder)
    assert (reply.status, reply.json["token_type"]) == (200, "DPoP")
    shown = await back.introspect(app, reply.json["access_token"])
    assert shown["cnf"] == {"jkt": holder.jkt}
    assert shown["token_type"] == "DPoP"
    if kind == "jwt":
        assert (await verified(back, reply.json["access_token"]))["cnf"] == {"jkt": holder.jkt}
    plain = await back.post(TOKEN, {"grant_type": "client_credentials"}, app)
    assert plain.json["token_type"] == "Bearer"
    assert "cnf" not in await back.introspect(app, plain.json["access_token"])


@pytest.mark.rfc("9449#5.2")
async def test_a_client_may_be_held_to_it(back: Back, holder: Holder) -> None:
    app = await back.machine(dpop_bound_access_tokens=True)
    reply = await back.post(TOKEN, {"grant_type": "client_credentials"}, app)
    refused(reply, "invalid_dpop_proof")
    assert (await machine_token(back, app, holder)).status == 200


@pytest.mark.attack("E2")
@pytest.mark.attack("E3")
@pytest.mark.attack("E4")
@pytest.mark.parametrize(
    "changed",
    [
        {"htm": "GET"},
        {"htu": ISSUER + USERINFO},
        {"htu": "https://evil.test/oauth2/token"},
        {"iat": 0},
        {"jti": None},
        {"header": {"typ": "JWT"}},
    ],
)
async def test_a_proof_that_is_wrong_gives_nothing(
    back: Back, holder: Holder, changed: dict[str, Any]
) -> None:
    app = await back.machine()
    before = await back.snapshot()
    refused(await machine_token(back, app, holder, **changed), "invalid_dpop_proof")
    assert await back.snapshot() == before
    assert (await machine_token(back, app, holder)).status == 200


@pytest.mark.attack("E4")
async def test_signatures_and_numbers_of_headers(back: Back, holder: Holder) -> None:
    app, form = await back.machine(), {"grant_type": "client_credentials"}
    proof = holder.proof("POST", ISSUER + TOKEN)
    head, claims, signature = proof.split(".")
    other = Holder(holder.now).proof("POST", ISSUER + TOKEN).split(".")[2]
    for wrong in (
        (proof, holder.proof("POST", ISSUER + TOKEN)),
        (f"{head}.{claims}.{other}",),
        (f"{head}.{claims}.",),
        (f"{head}.{claims}.{'A' * len(signature)}",),
        ("",),
    ):
        refused(await ask(back, app, form, *wrong), "invalid_dpop_proof")
    assert (await ask(back, app, form, proof)).status == 200


@pytest.mark.rfc("9449#11.1")
@pytest.mark.invariant("F34")
async def test_a_proof_is_good_for_one_token_on_any_node(back: Back, holder: Holder) -> None:
    app, form = await back.machine(), {"grant_type": "client_credentials"}
    proof = holder.proof("POST", ISSUER + TOKEN)
    replies = await asyncio.gather(*[ask(back, app, form, proof) for _ in range(8)])
    assert sorted(reply.status for reply in replies) == [200] + [400] * 7
    refused(await ask(back, app, form, proof), "invalid_dpop_proof")
    node = await back_of(back.store, back.clock, back.mint)  # beside it, or after a restart
    refused(await ask(node, app, form, proof), "invalid_dpop_proof")
    assert (await ask(node, app, form, holder.proof("POST", ISSUER + TOKEN))).status == 200
    await back.write(DeleteAll(Spent, {"tenant_id": TENANT, "kind": "dpop"}))
    assert (await ask(node, app, form, proof)).status == 200  # that row was all that refused it
    (row,) = await back.store.find(Find(Spent, {"tenant_id": TENANT, "kind": "dpop"}))
    assert row.expires_at == back.clock.now() + 60_000


async def test_a_refused_request_leaves_nothing_to_fill_the_disk(
    back: Back, holder: Holder
) -> None:
    app, form = await back.public(), {"grant_type": "authorization_code", "code": "x"}
    before = await back.snapshot()
    for _ in range(3):
        proof = holder.proof("POST", ISSUER + TOKEN)
        refused(await ask(back, app, form, proof), "invalid_grant")
    assert await back.snapshot() == before


async def test_clients_without_proofs_write_nothing_of_them(back: Back) -> None:
    app = await back.machine()
    assert (await back.post(TOKEN, {"grant_type": "client_credentials"}, app)).status == 200
    assert not await back.store.find(Find(Spent, {"tenant_id": TENANT}))


@pytest.mark.attack("E8")
@pytest.mark.rfc("9449#10")
async def test_a_code_for_a_key_is_redeemed_with_that_key(back: Back, holder: Holder) -> None:
    app, other = await back.client(), Holder(holder.now)

    async def redeem(by: Holder | None) -> Reply:
        code = await back.code(app)
        (row,) = [
            row
            for row in await back.store.find(Find(Code, {"tenant_id": TENANT}))
            if row.id in code
        ]
        ref = Ref(Code, tenant_id=TENANT, id=row.id)
        await back.write(Update(ref, {"dpop_jkt": holder.jkt}))
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": "https://app.example/cb",
            "code_verifier": "v" * 43,
        }
        return await ask(back, app, form, *([by.proof("POST", ISSUER + TOKEN)] if by else []))

    refused(await redeem(other), "invalid_grant")
    refused(await redeem(None), "invalid_grant")
    assert (await redeem(holder)).status == 200


# Refresh tokens


@pytest.mark.attack("C11")
@pytest.mark.rfc("9449#5")
async def test_a_public_clients_refresh_token_needs_the_same_key(
    back: Back, holder: Holder
) -> None:
    app, thief = await back.public(), Holder(holder.now)
    tokens = await user_tokens(back, app, holder)
    first = tokens["refresh_token"]
    at = ISSUER + TOKEN
    refused(await refresh(back, app, first), "invalid_grant")
    refused(await refresh(back, app, first, thief.proof("POST", at)), "invalid_grant")
    good = await refresh(back, app, first, holder.proof("POST", at))
    assert (good.status, good.json["token_type"]) == (200, "DPoP")
    # An old token in the hands of somebody without the key ends nothing either
    again = await refresh(back, app, good.json["refresh_token"], holder.proof("POST", at))
    assert again.status == 200
    refused(await refresh(back, app, first, thief.proof("POST", at)), "invalid_grant")
    last = again.json["refresh_token"]
    assert (await refresh(back, app, last, holder.proof("POST", at))).status == 200


@pytest.mark.rfc("9449#5")
async def test_a_confidential_client_may_change_its_key_but_not_do_without(
    back: Back, holder: Holder
) -> None:
    app, fresh = await back.client(), Holder(holder.now)
    token = (await user_tokens(back, app, holder))["refresh_token"]
    refused(await refresh(back, app, token), "invalid_grant")
    reply = await refresh(back, app, token, fresh.proof("POST", ISSUER + TOKEN))
    assert reply.status == 200
    shown = await back.introspect(app, reply.json["access_token"])
    assert shown["cnf"] == {"jkt": fresh.jkt}


async def test_a_lost_answer_is_repeated_for_the_same_key_only(back: Back, holder: Holder) -> None:
    app, other = await back.client(), Holder(holder.now)
    token = (await user_tokens(back, app, holder))["refresh_token"]
    at = ISSUER + TOKEN
    first = await refresh(back, app, token, holder.proof("POST", at))
    again = await refresh(back, app, token, holder.proof("POST", at))
    assert again.json["refresh_token"] == first.json["refresh_token"]
    refused(await refresh(back, app, token, other.proof("POST", at)), "invalid_grant")


# Where tokens are used


@pytest.mark.rfc("9449#7.1")
@pytest.mark.attack("E5")
@pytest.mark.attack("E6")
@pytest.mark.parametrize("kind", ["jwt", "opaque"])
async def test_a_bound_token_works_with_its_key_alone(
    back: Back, holder: Holder, kind: str
) -> None:
    app, thief = await back.client(access_token_format=kind), Holder(holder.now)
    token = (await user_tokens(back, app, holder))["access_token"]
    at = ISSUER + USERINFO

    def challenged(reply: Reply, error: str) -> None:
        refused(reply, error, 401)
        shown = reply.header("www-authenticate") or ""
        assert shown.startswith(f'DPoP error="{error}"')
        assert 'algs="ES256 ' in shown
        assert "dpop-nonce" in (reply.header("access-control-expose-headers") or "")

    challenged(await userinfo(back, token, scheme="Bearer"), "invalid_token")
    own = holder.proof("GET", at, token)
    challenged(await userinfo(back, token, own, scheme="Bearer"), "invalid_token")
    challenged(await userinfo(back, token), "invalid_dpop_proof")
    challenged(await userinfo(back, token, thief.proof("GET", at, token)), "invalid_token")
    for wrong in (
        holder.proof("GET", at),
        holder.proof("GET", at, token + "x"),
        holder.proof("POST", at, token),
        holder.proof("GET", ISSUER + TOKEN, token),
        holder.proof("GET", at, token, iat=holder.now - 3_600),
    ):
        challenged(await userinfo(back, token, wrong), "invalid_dpop_proof")
    assert (await userinfo(back, token, own)).status == 200
    challenged(await userinfo(back, token, own), "invalid_dpop_proof")
    assert (await userinfo(back, token, holder.proof("GET", at + "?x=1", token))).status == 200
    post = holder.proof("POST", at, token)
    assert (await userinfo(back, token, post, method="POST")).status == 200


async def test_a_token_that_is_not_bound_is_a_bearer_token(back: Back, holder: Holder) -> None:
    token = (await back.signed_in(await back.client()))["access_token"]
    proof = holder.proof("GET", ISSUER + USERINFO, token)
    refused(await userinfo(back, token, proof), "invalid_token", 401)
    assert (await userinfo(back, token, proof, scheme="Bearer")).status == 200
    assert (await userinfo(back, token, scheme="bearer")).status == 200


async def test_a_certificate_bound_token_needs_its_certificate(back: Back) -> None:
    token = (await back.signed_in(await back.client(access_token_format="opaque")))["access_token"]
    access = back.access
    found = await access.judge(token)
    bound = replace(found, cnf={"x5t#S256": "x"})  # type: ignore[type-var]
    for sender in (NOBODY, Sender(certificate=b"another")):
        with pytest.raises(OAuthError) as caught:
            await access.proofs.check(bound, token, sender)  # type: ignore[arg-type]
        assert caught.value.status == 401


# Nonces


@pytest.mark.attack("E7")
@pytest.mark.rfc("9449#8")
@pytest.mark.rfc("9449#9")
async def test_nonces_where_they_are_required(strict: Back, holder: Holder) -> None:
    back, app = strict, await strict.client()
    machine = await back.machine()
    reply = await machine_token(back, machine, holder)
    refused(reply, "use_dpop_nonce")
    nonce = reply.header("dpop-nonce")
    assert "dpop-nonce" in (reply.header("access-control-expose-headers") or "")
    refused(await machine_token(back, machine, holder, nonce="x"), "use_dpop_nonce")
    good = await machine_token(back, machine, holder, nonce=nonce)
    assert good.status == 200
    assert good.header("dpop-nonce") == nonce
    form = {
        "grant_type": "authorization_code",
        "code": await back.code(app),
        "redirect_uri": "https://app.example/cb",
        "code_verifier": "v" * 43,
    }
    proof = holder.proof("POST", ISSUER + TOKEN, nonce=nonce)
    token = (await ask(back, app, form, proof)).json["access_token"]
    at = ISSUER + USERINFO
    for other in (None, "x", nonce):  # another endpoint's is none here
        reply = await userinfo(back, token, holder.proof("GET", at, token, nonce=other))
        refused(reply, "use_dpop_nonce", 401)
        assert (reply.header("www-authenticate") or "").startswith("DPoP ")
    its = reply.header("dpop-nonce")
    assert (await userinfo(back, token, holder.proof("GET", at, token, nonce=its))).status == 200
    back.clock.advance(NONCE_STEP * NONCE_STEPS)
    later = Holder(back.clock.now() // 1000, holder.key)
    reply = await machine_token(back, machine, later, nonce=nonce)
    refused(reply, "use_dpop_nonce")
    assert reply.header("dpop-nonce") != nonce
    plain = await back.post(TOKEN, {"grant_type": "client_credentials"}, machine)
    assert plain.status == 200
    assert plain.header("dpop-nonce") is None


async def test_a_nonce_that_nobody_asked_for_must_be_ours_all_the_same(
    back: Back, holder: Holder
) -> None:
    app = await back.machine()
    reply = await machine_token(back, app, holder, nonce="stale")
    refused(reply, "use_dpop_nonce")
    nonce = reply.header("dpop-nonce")
    assert (await machine_token(back, app, holder, nonce=nonce)).status == 200


async def test_scripts_of_pages_may_send_proofs(back: Back) -> None:
    for path in (TOKEN, USERINFO):
        reply = await back.send("OPTIONS", path)
        assert "dpop" in (reply.header("access-control-allow-headers") or "")


@pytest.mark.rfc("9449#5.1")
async def test_metadata_names_the_algorithms(back: Back) -> None:
    metadata = (await back.send("GET", "/.well-known/oauth-authorization-server")).json
    algs = metadata["dpop_signing_alg_values_supported"]
    assert {"ES256", "PS256", "Ed25519"} <= set(algs)
    assert not {"none", "HS256"} & set(algs)
