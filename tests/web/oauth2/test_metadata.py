"""Metadata and keys: only what is true (RFC 8414, OpenID Connect Discovery)."""

import pytest
from joserfc.jwk import KeySet
from tests.back import ISSUER, TENANT, Back, back_of
from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError
from safeconduct.core.metadata import ENDPOINTS
from safeconduct.ports.store import Store

OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


@pytest.fixture
async def back(sqlite_store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(sqlite_store, clock, mint)


@pytest.mark.attack("H12")
@pytest.mark.rfc("8414#3.3")
@pytest.mark.parametrize("path", [OPENID, OAUTH])
async def test_the_issuer_and_its_endpoints(back: Back, path: str) -> None:
    reply = await back.send("GET", path)
    assert reply.status == 200
    assert reply.header("access-control-allow-origin") == "*"
    assert "max-age" in (reply.header("cache-control") or "")
    metadata = reply.json
    assert metadata["issuer"] == ISSUER
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["response_types_supported"] == ["code"]
    for name in ENDPOINTS.keys() - {"registration_endpoint", "check_session_iframe"}:  # off
        assert metadata[name].startswith(ISSUER + "/oauth2/")


@pytest.mark.attack("H12")
@pytest.mark.attack("B14")
async def test_what_is_advertised_is_there(back: Back) -> None:
    metadata = (await back.send("GET", OPENID)).json
    assert metadata["grant_types_supported"] == sorted(back.tokens.grants)
    pages = ("authorization_endpoint", "end_session_endpoint")
    served = {
        metadata[name].removeprefix(ISSUER)
        for name in ENDPOINTS.keys() & metadata.keys() - set(pages)
    }
    assert served <= back.handlers.keys()
    keys = (await back.send("GET", "/oauth2/jwks")).json["keys"]
    assert {key["use"] for key in keys} == {"sig", "enc"}
    algorithms = {key["alg"] for key in keys if key["use"] == "sig"}
    assert set(metadata["id_token_signing_alg_values_supported"]) >= algorithms
    assert "registration_endpoint" not in metadata
    assert metadata["request_uri_parameter_supported"] is False


@pytest.mark.rfc("OIDC-DISC#3")
@pytest.mark.attack("H12")
async def test_what_openid_clients_choose_from_can_be_registered(back: Back) -> None:
    """Each value that the document offers makes a client that works, and no other value does."""
    metadata = (await back.send("GET", OPENID)).json
    assert metadata["subject_types_supported"] == ["public", "pairwise"]
    assert metadata["claims_parameter_supported"] is True
    assert metadata["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
    assert set(metadata["response_modes_supported"]) == {
        *("query", "fragment", "form_post"),
        *("jwt", "query.jwt", "fragment.jwt", "form_post.jwt"),
    }
    offered = {
        "subject_type": metadata["subject_types_supported"],
        "id_token_signed_response_alg": metadata["id_token_signing_alg_values_supported"],
        "userinfo_signed_response_alg": metadata["userinfo_signing_alg_values_supported"],
        "introspection_signed_response_alg": metadata["introspection_signing_alg_values_supported"],
        "authorization_signed_response_alg": metadata["authorization_signing_alg_values_supported"],
        "request_object_signing_alg": metadata["request_object_signing_alg_values_supported"],
    }
    for field, values in offered.items():
        assert values
        for value in values:
            made = await back.client(**{field: value})
            tokens = await back.signed_in(made)
            assert (await back.userinfo(tokens["access_token"])).status == 200, (field, value)
        with pytest.raises(ApiError):
            await back.client(**{field: "nope"})
    assert "none" not in offered["id_token_signed_response_alg"]


async def test_a_page_that_is_not_served_is_not_advertised(back: Back) -> None:
    from safeconduct.core.metadata import Features, openid_metadata

    features = Features(issuer=ISSUER, grant_types=(), paths={"/oauth2/token"})
    metadata = openid_metadata(features)
    assert "token_endpoint" in metadata
    assert not ENDPOINTS.keys() - {"token_endpoint"} & metadata.keys()
    assert "introspection_endpoint_auth_methods_supported" not in metadata


@pytest.mark.attack("A18")
async def test_headers_do_not_change_what_we_are_called(back: Back) -> None:
    poison = {
        "host": "evil.test",
        "x-forwarded-host": "evil.test",
        "x-forwarded-proto": "http",
        "forwarded": "host=evil.test",
    }
    for path in (OPENID, OAUTH):
        poisoned = await back.send("GET", path, poison)
        assert poisoned.body == (await back.send("GET", path)).body
        assert b"evil" not in poisoned.body


@pytest.mark.attack("D14")
@pytest.mark.rfc("7517#5")
async def test_only_public_members_are_published(back: Back) -> None:
    await back.keys.rotate(TENANT, "sign", actor="operator")
    keys = (await back.send("GET", "/oauth2/jwks")).json["keys"]
    # in use, next, and to encrypt to; those of the other tenant are elsewhere
    assert [key["use"] for key in keys] == ["sig", "sig", "enc"]
    for key in keys:
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
        assert {"kty", "kid", "use"} <= key.keys()
    assert len(KeySet.import_key_set({"keys": keys}).keys) == 3


@pytest.mark.parametrize("path", [OPENID, OAUTH, "/oauth2/jwks"])
async def test_documents_are_only_read(back: Back, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        reply = await back.send(method, path)
        assert (reply.status, reply.header("allow")) == (405, "GET, HEAD")
    assert (await back.send("HEAD", path)).status == 200
