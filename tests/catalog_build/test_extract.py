"""What is understood of each package's way of stating facts, and what is left alone.

The samples are made up for these tests; they have the shape of the packages and none of their text.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from safeconduct.catalog_build import allauth, arctic, authjs, goth, grant, social, socialite
from safeconduct.catalog_build.claims import CODE, SIGNED, Extract, words

AUTHORIZE, TOKEN = f"{CODE}.authorize_url", f"{CODE}.token_url"


def stated(extract: Extract, folder: Path) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for claim in extract(folder):
        found.setdefault(claim.provider, {})[claim.path] = claim.value
    return found


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return folder


def test_grant_has_addresses_in_json_and_basic_in_code(tmp_path: Path) -> None:
    entries = {
        "acme": {
            "authorize_url": "https://[subdomain].acme.test/a",
            "access_url": "https://[subdomain]/t",
            "oauth": 2,
            "scope_delimiter": ",",
        },
        "old": {
            "request_url": "https://old.test/r",
            "authorize_url": "https://old.test/a",
            "access_url": "https://old.test/t",
            "oauth": 1,
        },
    }
    put(tmp_path, "config/oauth.json", json.dumps(entries))
    put(
        tmp_path,
        "lib/flow/oauth2.js",
        "if (/acme|other/.test(provider.name)\n || provider.token_endpoint_auth_method == 'x') {}",
    )
    put(
        tmp_path,
        "lib/flow/oauth1.js",
        "if (provider.old) {\n    options.oauth.signature_method = 'PLAINTEXT'\n  }",
    )
    assert stated(grant.extract, tmp_path) == {
        "old": {
            f"{SIGNED}.request_url": "https://old.test/r",
            f"{SIGNED}.authorize_url": "https://old.test/a",
            f"{SIGNED}.token_url": "https://old.test/t",
            f"{SIGNED}.signature": "PLAINTEXT",
        },
        "acme": {
            AUTHORIZE: "https://{subdomain}.acme.test/a",
            TOKEN: "https://{host}/t",
            f"{CODE}.scope_separator": ",",
            f"{CODE}.token_auth": "client_secret_basic",
        },
    }


def test_authjs_is_asked_by_calling_it(tmp_path: Path) -> None:
    put(tmp_path, "package.json", '{"type": "module"}')
    put(
        tmp_path,
        "providers/acme.js",
        """export default (options) => ({
          id: "acme", name: "Acme", type: "oauth",
          authorization: { url: "https://acme.test/a?prompt=x",
                           params: { scope: "one two", client_id: options.clientId } },
          token: "https://acme.test/t", userinfo: "https://api.acme.test/me", checks: ["pkce"],
          profile: (profile) => ({ id: profile.data.id.toString(), name: profile.name }),
        })""",
    )
    put(tmp_path, "providers/broken.js", "export default () => { throw new Error('options') }")
    put(tmp_path, "providers/mail.js", "export default () => ({ id: 'mail', type: 'email' })")
    assert stated(authjs.extract, tmp_path) == {
        "acme": {
            "name": "Acme",
            AUTHORIZE: "https://acme.test/a",
            TOKEN: "https://acme.test/t",
            f"{CODE}.authorize_parameters": {"prompt": "x"},
            f"{CODE}.scopes": ["one", "two"],
            f"{CODE}.pkce": "S256",
            "api.base_url": "https://api.acme.test",
            "identity.path": "/me",
            "identity.account_id": ["/data/id"],
        }
    }


def test_arctic_names_its_addresses(tmp_path: Path) -> None:
    put(
        tmp_path,
        "dist/providers/acme.js",
        'const authorizationEndpoint = "https://acme.test/a";\n'
        'const tokenEndpoint = "https://acme.test/t";\n'
        'const tokenRevocationEndpoint = "https://acme.test/r";\nuse(CodeChallengeMethod.S256);\n',
    )
    put(tmp_path, "dist/providers/own.js", "const tokenEndpoint = `https://${domain}/t`;\n")
    assert stated(arctic.extract, tmp_path) == {
        "acme": {
            AUTHORIZE: "https://acme.test/a",
            TOKEN: "https://acme.test/t",
            f"{CODE}.pkce": "S256",
            f"{CODE}.revocation.url": "https://acme.test/r",
        }
    }


def test_social_is_read_without_being_run(tmp_path: Path) -> None:
    put(
        tmp_path,
        "social_core/backends/acme.py",
        """raise SystemExit("never run")

class Acme(BaseOAuth2PKCE):
    name = "acme"
    title = "Acme"
    AUTHORIZATION_URL = "https://acme.test/a"
    ACCESS_TOKEN_URL = "https://acme.test/t"
    SCOPE_SEPARATOR = ","
    DEFAULT_SCOPE = ["one,two"]
    DEFAULT_USE_PKCE = True
    ID_KEY = "uid"

    def user_data(self, token):
        return self.get_json("https://acme.test/me", headers={"Authorization": token})

class AcmeEurope(Acme):
    name = "acme-eu"
    ACCESS_TOKEN_URL = "https://" + region + ".acme.test/t"

class Old(BaseOAuth1):
    name = "old"
    REQUEST_TOKEN_URL = "https://old.test/r"
    AUTHORIZATION_URL = "https://old.test/a"
    ACCESS_TOKEN_URL = "https://old.test/t"
""",
    )
    assert stated(social.extract, tmp_path) == {
        "old": {
            f"{SIGNED}.request_url": "https://old.test/r",
            f"{SIGNED}.authorize_url": "https://old.test/a",
            f"{SIGNED}.token_url": "https://old.test/t",
        },
        "acme": {
            "name": "Acme",
            AUTHORIZE: "https://acme.test/a",
            TOKEN: "https://acme.test/t",
            f"{CODE}.scope_separator": ",",
            f"{CODE}.scopes": ["one", "two"],
            f"{CODE}.pkce": "S256",
            "api.base_url": "https://acme.test",
            "identity.path": "/me",
            "identity.account_id": ["/uid"],
        },
    }


def test_allauth_has_an_adapter_and_a_provider(tmp_path: Path) -> None:
    folder = "allauth/socialaccount/providers/acme"
    put(
        tmp_path,
        f"{folder}/views.py",
        """class Adapter(OAuth2Adapter):
    provider_id = "acme"
    authorize_url = "https://acme.test/a"
    access_token_url = "https://acme.test/t"
    profile_url = "https://acme.test/me"
    basic_auth = True
""",
    )
    put(
        tmp_path,
        f"{folder}/provider.py",
        """class AcmeProvider(OAuth2Provider):
    id = "acme"
    name = "Acme"

    def extract_uid(self, data):
        return str(data["user"]["id"])

    def get_default_scope(self):
        return ["read"]
""",
    )
    assert stated(allauth.extract, tmp_path) == {
        "acme": {
            "name": "Acme",
            AUTHORIZE: "https://acme.test/a",
            TOKEN: "https://acme.test/t",
            f"{CODE}.scopes": ["read"],
            f"{CODE}.token_auth": "client_secret_basic",
            "api.base_url": "https://acme.test",
            "identity.path": "/me",
            "identity.account_id": ["/user/id"],
        }
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("'https://acme.test/o'", "https://acme.test/o"),
        ("self::BASE.'/o'", "https://base.test/o"),
        ("$this->place . '/o'", "https://place.test/o"),
        ("$this->getServer().'/o'", "https://{host}/o"),
        ("sprintf('https://%s/o', $x)", None),
        ("$this->unknown.'/o'", None),
    ],
)
def test_socialite_is_understood_where_it_is_made_of_literals(
    tmp_path: Path, body: str, expected: str | None
) -> None:
    put(
        tmp_path,
        "src/Acme/Provider.php",
        f"""<?php class Provider {{
    private const BASE = 'https://base.test';
    protected $place = 'https://place.test';
    protected $scopes = ['one', 'two three'];
    protected function getServer() {{
        return rtrim($this->getConfig('server'), '/');
    }}
    protected function getAuthUrl($state): string {{
        return $this->buildAuthUrlFromBase({body}, $state);
    }}
    protected function getTokenUrl(): string {{
        return 'https://acme.test/t';
    }}
}}""",
    )
    found = stated(socialite.extract, tmp_path)
    if expected is None:
        assert found == {}
    else:
        assert found["Acme"][AUTHORIZE] == expected
        assert found["Acme"][f"{CODE}.scopes"] == ["one", "two", "three"]


def test_goth_has_constants(tmp_path: Path) -> None:
    put(
        tmp_path,
        "providers/acme/acme.go",
        'const (\n\tauthURL string = "https://acme.test/a"\n\ttokenURL string = "https://acme.test/t"\n)',
    )
    put(tmp_path, "providers/acme/acme_test.go", 'const authURL = "https://wrong.test/a"')
    assert stated(goth.extract, tmp_path) == {
        "acme": {AUTHORIZE: "https://acme.test/a", TOKEN: "https://acme.test/t"}
    }


def test_scopes_are_taken_one_by_one() -> None:
    assert words("one two", "three,four", "") == ["one", "two", "three", "four"]
