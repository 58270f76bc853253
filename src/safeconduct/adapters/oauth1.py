"""RFC 5849 §3: signs a request as it leaves, with oauthlib.

Query and form are signed along (§3.4.1.3.1); another body is not, nor is it hashed, because no
provider of OAuth 1.0a asks for that. What cannot be signed is not sent.
"""

import logging
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from secrets import token_hex
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from oauthlib.oauth1 import Client

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.http import FORM, OutboundRequest, Signature

# It writes what it signs at the level "debug": forms are none of a log's business
logging.getLogger("oauthlib").setLevel(logging.WARNING)

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def signed(request: OutboundRequest, now: float) -> OutboundRequest:
    """The request with its `Authorization` (§3.5.1); one without a signature stays as it is."""
    how = request.signature
    if how is None:
        return request
    request = _sendable(request)
    form = _form(request)
    _checked(request, how, form)
    client = _Signer(
        how.client_key,
        client_secret=how.client_secret and how.client_secret.reveal(),
        resource_owner_key=how.token,
        resource_owner_secret=how.token_secret and how.token_secret.reveal(),
        callback_uri=how.parameters.get("oauth_callback"),
        verifier=how.parameters.get("oauth_verifier"),
        signature_method=how.method,
        realm=how.realm,
        nonce=token_hex(16),
        timestamp=str(int(now)),
    )
    try:
        _, headers, _ = client.sign(
            request.url, request.method, form or None, {"Content-Type": FORM} if form else {}
        )
    except ValueError:
        raise _unsignable("the request") from None
    return replace(request, headers={**request.headers, "authorization": headers["Authorization"]})


class _Signer(Client):  # type: ignore[misc]
    """oauthlib's own signer, with RSA by the library that we have anyway."""

    SIGNATURE_METHODS = {
        **Client.SIGNATURE_METHODS,
        "RSA-SHA1": lambda base, client: _rsa_sha1(base, client.client_secret),
    }


def _rsa_sha1(base: str, pem: str | None) -> str:
    """§3.4.3."""
    if not pem:
        raise _unsignable("the private key")
    made = _key(pem).sign(base.encode("ascii"), PKCS1v15(), SHA1())  # noqa: S303 -- the method's name says it
    return b64encode(made).decode()


@lru_cache(maxsize=16)
def _key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        raise _unsignable("the private key") from None
    if not isinstance(key, RSAPrivateKey):
        raise _unsignable("the private key")
    return key


def _sendable(request: OutboundRequest) -> OutboundRequest:
    """Byte by byte what will be sent, so that it is what was signed."""
    url = request.url
    path, mark, query = url.partition("?")
    # Brackets pass unescaped through many hands, and mean the same; oauthlib wants them escaped
    url = path + mark + query.replace("[", "%5B").replace("]", "%5D")
    if request.form is None:
        return replace(request, url=url)
    pairs = [(name, str.__str__(value)) for name, value in request.form.items()]
    body = urlencode(pairs, quote_via=quote_plus).encode("ascii")
    return replace(
        request, url=url, form=None, body=body, headers={**request.headers, "content-type": FORM}
    )


def _form(request: OutboundRequest) -> str:
    """§3.4.1.3.1: a body that is a form, and says so."""
    types = [value for name, value in request.headers.items() if name.lower() == "content-type"]
    kind = types[0].partition(";")[0].strip().lower() if types else ""
    if kind != FORM or not request.body or request.method in ("GET", "HEAD"):
        return ""
    try:
        return request.body.decode("ascii")
    except UnicodeDecodeError:
        raise _unsignable("a form that is not in ASCII") from None


def _checked(request: OutboundRequest, how: Signature, form: str) -> None:
    parts = urlsplit(request.url)
    if how.method == "PLAINTEXT" and parts.scheme != "https" and parts.hostname not in LOOPBACK:
        # §3.4.4: "MUST be used with a transport-layer mechanism such as TLS"
        raise ProviderError("insecure_url", remedy="misconfigured", sent=False, detail="PLAINTEXT")
    if any(name.startswith("oauth_") for name in _names(parts.query, form)):
        raise _unsignable("a parameter of the protocol")


def _names(*texts: str) -> Iterator[str]:
    for text in texts:
        for name, _ in parse_qsl(text, keep_blank_values=True):
            yield name


def _unsignable(what: str) -> ProviderError:
    return ProviderError("bad_request", remedy="misconfigured", sent=False, detail=f"bad {what}")
