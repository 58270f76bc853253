"""A key made by an access token, against a catalogue entry: each exchange as a pair of values.

    identity_request ──▶ outbound ──▶ read_identity     whose account, while the token is there
    key_request      ──▶ outbound ──▶ read_key          the key, packed as if it was typed in
    revocation_request ──▶ outbound                     a key that ends itself

The access token leaves only towards the addresses that the entry names.
"""

from collections.abc import Mapping

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.answers import Account, api_failure, parse_json, text_of
from safeconduct.core.upstream.api import Registration, api_request, filled
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.keys import MAX_LENGTH, pack
from safeconduct.core.upstream.minted import YieldsApiKey
from safeconduct.core.upstream.provider import Provider


def yields(provider: Provider) -> YieldsApiKey:
    """How it does that; ValueError for an entry that does not."""
    how = provider.auth.oauth2_yields_api_key
    if how is None:
        raise ValueError(f"{provider.id} yields no key")
    return how


def identity_request(
    provider: Provider, registration: Registration, access_token: Secret
) -> OutboundRequest | None:
    """None where the key itself has to say whose it is."""
    who = yields(provider).identity
    if who is None:
        return None
    url = filled(provider, who.url, registration.values)
    return OutboundRequest("GET", url, _bearer(access_token))


def read_identity(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> Account:
    who = yields(provider).identity
    assert who is not None, "it was asked for"
    if not 200 <= status < 300:
        raise api_failure(status, headers, now)
    document = parse_json(body)
    account_id = text_of(who.account_id, document)
    if account_id is None:
        raise ProviderError(
            "malformed_answer", remedy="retry", status=status, detail="no account id"
        )
    return Account(account_id, text_of(who.account_name, document))


def key_request(
    provider: Provider, registration: Registration, access_token: Secret
) -> OutboundRequest:
    how = yields(provider).key
    url = filled(provider, how.url, registration.values)
    return OutboundRequest(how.method, url, _bearer(access_token), json=dict(how.json))


def read_key(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> Secret:
    """All of the key or none: half of one signs nothing."""
    if not 200 <= status < 300:
        raise api_failure(status, headers, now)
    document, found = parse_json(body), {}
    for name, pointer in yields(provider).key.fields.items():
        value = pointer.of(document)
        if not isinstance(value, str) or not 0 < len(value) <= MAX_LENGTH or not _plain(value):
            raise ProviderError(
                "malformed_answer", remedy="retry", status=status, detail=f"no {name}"
            )
        found[name] = value
    return pack(found)


def revocation_request(
    provider: Provider, registration: Registration, key: Secret
) -> OutboundRequest | None:
    how = yields(provider).revocation
    if how is None:
        return None
    return api_request(provider, registration, key, path=how.path, method=how.method)


def _bearer(access_token: Secret) -> dict[str, str]:
    return {"accept": "application/json", "authorization": f"Bearer {access_token.reveal()}"}


def _plain(value: str) -> bool:
    """As for what is typed in: what would end a header or a line somewhere is no part of a key."""
    lines = value.startswith("-----BEGIN ")
    return all(" " <= char <= "~" or (lines and char == "\n") for char in value)
