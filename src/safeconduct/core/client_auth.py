"""RFC 6749 §2.3: how a client says who it is, as read from one request.

Only reading happens here; whether it is true is judged by `services.authentication`. Confusing
two methods is refused before anything is looked up (RFC 6749 §2.3: "The client MUST NOT use more
than one authentication method in each request").
"""

from base64 import b64decode
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from safeconduct.core.client_assertion import HMAC, TYPE
from safeconduct.core.errors import OAuthError, invalid_client, invalid_request
from safeconduct.core.form import Form
from safeconduct.core.jws import Jws, parse_jws

METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "none",
)
"""What works everywhere; metadata and registration are derived from it."""

SWITCHED = ("client_secret_jwt", "tls_client_auth", "self_signed_tls_client_auth")
"""What works where the operator has switched it on."""

MAX_BASIC = 4_096
MAX_ID = 256
MAX_SECRET = 1_024


@dataclass(frozen=True, slots=True)
class Presented:
    """Who the caller claims to be, and what it shows for it."""

    method: str
    client_id: str
    secret: str | None = field(default=None, repr=False)
    assertion: Jws | None = field(default=None, repr=False)


def read_client(authorization: bytes | None, form: Form) -> Presented:
    """What the request presents; raises `invalid_client` or `invalid_request`."""
    if "client_assertion" in form or "client_assertion_type" in form:
        return _assertion(authorization, form)
    if authorization is not None:
        return _basic(authorization, form)
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if client_id is None:
        raise _failed("the request names no client", "client.missing")
    if secret is None:
        return Presented("none", _id(client_id))
    return Presented("client_secret_post", _id(client_id), _secret(secret))


def _basic(authorization: bytes, form: Form) -> Presented:
    """RFC 7617 §2, with the form-encoding that RFC 6749 §2.3.1 puts around id and secret."""
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"basic" or len(credentials) > MAX_BASIC:
        raise _failed("the Authorization header is not Basic", "client.scheme")
    try:
        text = b64decode(credentials.strip(), validate=True).decode("utf-8")
        name, colon, password = text.partition(":")
        client_id, secret = _decoded(name), _decoded(password)
    except ValueError:
        raise _failed("the Authorization header is malformed", "client.basic") from None
    if not colon or not client_id or not secret:
        raise _failed("the Authorization header is malformed", "client.basic")
    if "client_secret" in form:
        raise invalid_request(
            "authenticate by one method only", rule="client.two_methods", rfc="6749#2.3"
        )
    if form.get("client_id", client_id) != client_id:
        raise invalid_request(
            "client_id is not the client of the Authorization header", rule="client.two_ids"
        )
    return Presented("client_secret_basic", _id(client_id), _secret(secret))


def _assertion(authorization: bytes | None, form: Form) -> Presented:
    """RFC 7521 §4.2: the assertion names the client; a client_id beside it must be the same."""
    if authorization is not None or "client_secret" in form:
        raise invalid_request(
            "authenticate by one method only", rule="client.two_methods", rfc="6749#2.3"
        )
    if form.get("client_assertion_type") != TYPE or "client_assertion" not in form:
        raise _failed("client_assertion_type is not that of a JWT", "assertion.type")
    try:
        assertion = parse_jws(form["client_assertion"])
    except ValueError:
        raise _failed("the client assertion is malformed", "assertion.malformed") from None
    subject = assertion.claims.get("sub")
    if not isinstance(subject, str) or form.get("client_id", subject) != subject:
        raise _failed("the client assertion is not about this client", "assertion.subject")
    method = "client_secret_jwt" if assertion.alg in HMAC else "private_key_jwt"
    return Presented(method, _id(subject), assertion=assertion)


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def _id(text: str) -> str:
    # RFC 6749 Appendix A.1: client-id = *VSCHAR
    if len(text) > MAX_ID or not text.isascii() or not text.isprintable():
        raise _failed("client authentication failed", "client.unknown")
    return text


def _secret(text: str) -> str:
    if len(text) > MAX_SECRET or "\0" in text:
        raise _failed("client authentication failed", "client.secret")
    return text


def _failed(description: str, rule: str) -> OAuthError:
    return invalid_client(description, rule=rule, rfc="6749#2.3")
