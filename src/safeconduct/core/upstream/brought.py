"""What the user of a connection brought, and what is made of it.

    form of the entry ─▶ read_form ─▶ fields ─┬▶ values_of      placeholders of the URLs
                                              ├▶ token_request  where a token is got for them
                                              └▶ own_account    whose they are, if nobody says

What each request of the API carries is said in `placing`.

An entry here speaks one mode (`Provider.by`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.answers import Account
from safeconduct.core.upstream.api import Registration, filled
from safeconduct.core.upstream.basic import Basic
from safeconduct.core.upstream.client_credentials import ClientCredentials
from safeconduct.core.upstream.flow import back_channel, with_body
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.keys import read_fields, refused, unexpected, unpack
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.service_account import Assertion, ServiceAccount
from safeconduct.core.upstream.template import BadPlaceholder

BAD_KEY = "invalid_credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What an assertion takes from outside: the time in milliseconds, and a name of its own."""

    now: int
    jti: str


def read_form(provider: Provider, given: Mapping[str, str]) -> dict[str, str]:
    """The fields, checked as far as that goes without asking anybody; 400 names the one."""
    mode = provider.auth.brings
    basic = isinstance(mode, Basic)
    fields = read_fields(provider.form, given, any_script=basic)
    if isinstance(mode, Basic):
        mode.check(fields)
    try:
        for _, template in provider.templates():
            template.fill(provider.placeholders, fields)
    except BadPlaceholder as error:
        asked = next((one for one in provider.form if one.name == error.name), None)
        told = unexpected(asked) if asked else None
        raise refused(error.name, "is not of the expected form", told) from None
    return fields


def registration_of(
    provider: Provider, ours: Registration, access_token: Secret, brought: Secret | None
) -> Registration:
    """Who asks, and what fills the URLs: for a client that was brought, that client.

    `brought` is what was typed in where the access token is not that itself.
    """
    if provider.auth.oauth2_code is not None:
        return ours  # by far the most
    mode = provider.auth.brings
    if mode is None or (packed := access_token if provider.dialect is None else brought) is None:
        return ours
    fields = unpack(packed)
    values = {**ours.values, **values_of(provider, fields)}
    if not isinstance(mode, ClientCredentials | ServiceAccount) or not mode.client_id:
        return replace(ours, values=values)
    secret = mode.client_secret.fill(fields) if mode.client_secret else None
    return Registration(mode.client_id.fill(fields) or "", Secret(secret or ""), values)


def values_of(provider: Provider, fields: Mapping[str, str]) -> dict[str, str]:
    """The fields that may stand in a URL: all placeholders, and whatever is no secret."""
    hidden = _hidden(provider)
    return {n: v for n, v in fields.items() if n not in hidden or n in provider.placeholders}


def secret_parts(provider: Provider, packed: Secret) -> tuple[str, ...]:
    """What of it nobody is shown, in each shape in which it travels."""
    fields, mode = unpack(packed), provider.auth.brings
    if mode is None:
        return tuple(fields.values())  # a wallet's address
    hidden = _hidden(provider)
    parts = tuple(value for name, value in fields.items() if name in hidden)
    return (*parts, mode.encoded(fields)) if isinstance(mode, Basic) else parts


def fields_of(provider: Provider, secret: Secret) -> dict[str, str] | None:
    """What was typed in, where that is the credential itself; None where it is a token."""
    typed = provider.auth.brings is not None and provider.dialect is None
    return unpack(secret) if typed else None


def _hidden(provider: Provider) -> frozenset[str]:
    return frozenset(name for field in provider.form for name in field.hides)


def own_account(provider: Provider, fields: Mapping[str, str]) -> Account:
    """Whose account it is where neither the API nor the token answer says."""
    mode = provider.dialect
    assert isinstance(mode, ClientCredentials | ServiceAccount)
    id = mode.account_id.fill(fields)
    if id is None:
        raise ProviderError("malformed_answer", remedy="retry", sent=False, detail="no account id")
    name = mode.account_name.fill(fields) if mode.account_name else None
    return Account(id, name or id)


def token_request(
    provider: Provider, registration: Registration, brought: Secret, moment: Moment
) -> OutboundRequest:
    """A token for what was brought: the first one, and each that renews it."""
    mode, fields = provider.dialect, unpack(brought)
    url = filled(provider, provider.speaks.token_url, registration.values)
    match mode:
        case ClientCredentials():
            return back_channel(mode, registration, "POST", url, _asked(mode, fields))
        case ServiceAccount():
            signed = _signed(mode, fields, moment)
            headers, asked = dict(mode.token_headers), _asked(mode, fields)
            if mode.assertion.place == "bearer":
                headers["authorization"] = f"Bearer {signed}"
                del asked["grant_type"]
            else:
                asked[mode.assertion.parameter] = signed
            if mode.client_id:
                return back_channel(mode, registration, "POST", url, asked)
            return with_body(mode, "POST", url, asked, headers, None)
    raise ProviderError("not_refreshable", remedy="reconnect", sent=False)


def asked_scopes(provider: Provider, fields: Mapping[str, str]) -> frozenset[str]:
    """RFC 6749 §5.1: what is given where the answer does not say otherwise."""
    mode = provider.dialect
    if not isinstance(mode, ServiceAccount) or not mode.assertion.scope_claim:
        return frozenset(mode.scopes if mode else ())
    own = mode.assertion.claims.get(mode.assertion.scope_claim)
    chosen = own.fill(fields) if own else None
    return frozenset(chosen.split(mode.scope_separator)) if chosen else frozenset(mode.scopes)


def _asked(mode: ClientCredentials | ServiceAccount, fields: Mapping[str, str]) -> dict[str, str]:
    asked = {"grant_type": mode.grant}
    if mode.scopes and mode.scope_parameter:
        asked[mode.scope_parameter] = mode.scope_separator.join(mode.scopes)
    for name, text in mode.token_parameters.items():
        if (value := text.fill(fields)) is not None:
            asked[name] = value
    return asked


def _signed(mode: ServiceAccount, fields: Mapping[str, str], moment: Moment) -> str:
    """RFC 7523 §3: issuer, subject, audience and a short life, under the key that was uploaded."""
    how, issued = mode.assertion, moment.now // 1000 - mode.assertion.backdated_s
    claims: dict[str, object] = {
        name: text.fill(fields)
        for name, text in {
            "iss": how.issuer,
            "sub": how.subject,
            "aud": how.audience,
            **how.claims,
        }.items()
        if text is not None and text.fill(fields) is not None
    }
    claims |= {"iat": issued, "exp": issued + how.lifetime_s}
    if how.jti:
        claims["jti"] = moment.jti
    if how.scope_claim and mode.scopes and how.scope_claim not in claims:
        claims[how.scope_claim] = mode.scope_separator.join(mode.scopes)
    header = {"alg": how.alg, "typ": "JWT"}
    if how.kid and (kid := how.kid.fill(fields)):
        header["kid"] = kid
    try:
        return jwt.encode(header, claims, _key(how, fields), algorithms=[how.alg])
    except (JoseError, ValueError, TypeError):
        # What the library says of a key may quote it
        raise ProviderError(
            BAD_KEY, remedy="reconnect", sent=False, detail="not a private key of this kind"
        ) from None


def _key(how: Assertion, fields: Mapping[str, str]) -> RSAKey | ECKey | OKPKey:
    text = how.key.fill(fields) or ""
    # A passphrase for a key that is not locked is an error to the library
    passphrase = how.passphrase.fill(fields) if how.passphrase and "ENCRYPTED" in text else None
    key: RSAKey | ECKey | OKPKey
    match how.alg[0]:
        case "R" | "P":
            key = RSAKey.import_key(text, password=passphrase)
        case _ if how.alg.startswith("ES"):
            key = ECKey.import_key(text, password=passphrase)
        case _:
            key = OKPKey.import_key(text, password=passphrase)
    if not key.is_private:
        raise ValueError("a public key signs nothing")
    return key
