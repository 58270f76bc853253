"""What apps may say of themselves: ignored, dropped, refused, kept."""

from typing import Any

import pytest

from safeconduct.core.errors import OAuthError
from safeconduct.core.model import Client, TenantId
from safeconduct.core.registration import FIELDS, new_client
from safeconduct.core.scopes import OPERATOR_SCOPES
from safeconduct.core.self_registration import (
    DANGEROUS,
    OFFERED,
    Allowance,
    changed,
    public_document,
    self_described,
)

URI = "https://app.example/cb"
GRANTS = ("authorization_code", "refresh_token", *DANGEROUS)


def made(allowance: Allowance | None = None, **said: Any) -> Client:
    data = {"redirect_uris": [URI], **said}
    chosen = self_described(data, allowance or Allowance(), GRANTS)
    return new_client(TenantId("t1"), "cli_1", 0, chosen)


def refused(**said: Any) -> str:
    with pytest.raises(OAuthError) as caught:
        made(**said)
    assert caught.value.status == 400
    return caught.value.error


@pytest.mark.rfc("7591#2")
def test_defaults_are_those_of_the_standard() -> None:
    app = made()
    assert app.grant_types == ("authorization_code",)
    assert app.response_types == ("code",)
    assert app.token_endpoint_auth_method == "client_secret_basic"
    assert app.default_scope == {"openid", "profile", "email"}
    assert app.client_name == "app.example"  # a person has to see something to judge
    assert (app.verified, app.require_pkce, app.profile) == (False, True, "native")


@pytest.mark.rfc("7591#2")
@pytest.mark.attack("G3")
@pytest.mark.parametrize(
    "taken",
    [
        {"client_id": "cli_mine"},
        {"client_secret": "known"},
        {"tenant_id": "t2"},
        {"verified": True},
        {"trusted": True},
        {"skip_consent": True},
        {"first_party": True},
        {"profile": "calico"},
        {"claims": {"role": "admin"}},
        {"resources": ["https://bank.example"]},
        {"require_pkce": False},
        {"access_token_format": "opaque"},
        {"default_scope": "openid"},
        {"registration_access_token": "x"},
        {"created_at": 1},
        {"expires_at": None},
        {"not_before": 0},
        {"status": "active"},
    ],
)
def test_what_is_not_theirs_to_say_changes_nothing(taken: dict[str, Any]) -> None:
    assert made(**taken) == made()


def test_only_names_of_the_standards_are_offered() -> None:
    """A field that is added for operators is not thereby offered to the world."""
    ours = {"profile", "default_scope", "resources", "require_pkce", "verified", "claims"}
    assert not ours & OFFERED
    assert ours <= FIELDS.keys()


@pytest.mark.attack("G6")
@pytest.mark.parametrize("grant", sorted(DANGEROUS))
def test_grants_without_a_person_are_refused(grant: str) -> None:
    assert refused(grant_types=["authorization_code", grant]) == "invalid_client_metadata"
    widened = Allowance(grant_types=("authorization_code", grant))
    assert grant in made(widened, grant_types=["authorization_code", grant]).grant_types


@pytest.mark.attack("G6")
@pytest.mark.parametrize("scope", sorted(OPERATOR_SCOPES))
def test_operators_scopes_are_refused(scope: str) -> None:
    assert refused(scope=f"openid {scope}") == "invalid_client_metadata"
    widened = Allowance(scope=frozenset({"openid", scope}))
    assert scope in made(widened, scope=f"openid {scope}").scope


@pytest.mark.rfc("7591#3.2.1")
def test_what_is_not_supported_is_dropped_and_shown() -> None:
    app = made(
        grant_types=["authorization_code", "implicit"],
        response_types=["code", "token"],
        scope="openid email no-such-scope",
    )
    assert app.grant_types == ("authorization_code",)
    assert app.response_types == ("code",)
    assert app.scope == {"openid", "email"}
    assert public_document(app)["scope"] == "openid email"
    assert refused(grant_types=["implicit"]) == "invalid_client_metadata"
    assert refused(response_types=["token"]) == "invalid_client_metadata"


@pytest.mark.rfc("7591#3.2.1")
def test_an_algorithm_for_assertions_that_are_never_made_is_dropped() -> None:
    app = made(token_endpoint_auth_signing_alg="RS256")
    assert app.token_endpoint_auth_signing_alg is None


@pytest.mark.rfc("7591#2")
def test_null_is_as_good_as_nothing() -> None:
    assert made(client_name=None, scope=None, grant_types=None, logo_uri=None) == made()


@pytest.mark.rfc("7591#2.2")
def test_names_in_several_languages_are_kept() -> None:
    app = made(client_name="Harbour", **{"client_name#de": "Hafen", "tos_uri#ja-Jpan-JP": URI})
    shown = public_document(app)
    assert (shown["client_name"], shown["client_name#de"]) == ("Harbour", "Hafen")
    assert shown["tos_uri#ja-Jpan-JP"] == URI
    assert "redirect_uris#de" not in public_document(made(**{"redirect_uris#de": ["x"]}))
    assert "client_name#../x" not in public_document(made(**{"client_name#../x": "x"}))


@pytest.mark.attack("G7")
def test_names_that_deceive() -> None:
    assert made(client_name="Goo\u202egle\u200b").client_name == "Google"
    assert refused(client_name="x" * 4_096) == "invalid_client_metadata"
    assert refused(client_name="\u200b\u202e") == "invalid_client_metadata"


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://app.example/cb#x",
        "http://app.example/cb",
        "https://user@app.example/cb",
        "myapp:/cb",
        "//app.example",
    ],
)
def test_bad_redirect_uris(uri: str) -> None:
    assert refused(redirect_uris=[uri]) == "invalid_redirect_uri"
    assert refused(redirect_uris=[URI, uri]) == "invalid_redirect_uri"


def test_a_web_application_has_no_scheme_of_its_own() -> None:
    native = "com.example.app:/cb"
    assert made(redirect_uris=[native], application_type="native").redirect_uris == (native,)
    assert refused(redirect_uris=[native], application_type="web") == "invalid_redirect_uri"


@pytest.mark.rfc("OIDC-FRONT#2")
def test_front_channel_addresses_are_the_apps_own() -> None:
    there = "https://app.example/bye"
    assert made(frontchannel_logout_uri=there).metadata["frontchannel_logout_uri"] == there
    elsewhere = "https://other.example/bye"
    assert refused(frontchannel_logout_uri=elsewhere) == "invalid_client_metadata"


@pytest.mark.parametrize(
    "said",
    [
        {"redirect_uris": []},
        {"redirect_uris": "https://app.example/cb"},
        {"redirect_uris": [1]},
        {"grant_types": "authorization_code"},
        {"grant_types": [1]},
        {"response_types": {}},
        {"scope": ["openid"]},
        {"scope": "a  b"},
        {"token_endpoint_auth_method": "magic"},
        {"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}},
        {"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"},
        {"logo_uri": "javascript:alert(1)"},
        {"backchannel_logout_session_required": "yes"},
        {"application_type": "desktop"},
        {"contacts": "a@example.org"},
    ],
)
def test_malformed_values_are_refused(said: dict[str, Any]) -> None:
    assert refused(**said) in ("invalid_client_metadata", "invalid_redirect_uri")


@pytest.mark.rfc("7592#2.2")
def test_an_update_replaces_what_the_app_said_and_nothing_else() -> None:
    operators = {"verified": True, "profile": "native", "metadata": {"claims": {"tier": 1}}}
    chosen = self_described({"redirect_uris": [URI], "logo_uri": URI}, Allowance(), GRANTS)
    app = new_client(TenantId("t1"), "cli_1", 0, {**chosen, **operators})
    new = changed(app, self_described({"redirect_uris": [URI + "2"]}, Allowance(), GRANTS))
    assert new["redirect_uris"] == (URI + "2",)
    assert "verified" not in new
    assert new.get("metadata", app.metadata) == {
        "claims": {"tier": 1},
        "id_token_signed_response_alg": "RS256",
    }
    public = self_described(
        {"redirect_uris": [URI], "token_endpoint_auth_method": "none"}, Allowance(), GRANTS
    )
    with pytest.raises(OAuthError):
        changed(app, public)
