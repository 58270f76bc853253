"""Whether an access token opens this API: RFC 9068 §4, RFC 9449 §7, RFC 8705 §3, RFC 7662."""

import ssl
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from safeconduct_verify.errors import Refused, Unavailable, bad
from safeconduct_verify.fetch import Fetch
from safeconduct_verify.jose import parts, verified
from safeconduct_verify.keys import Issuer
from safeconduct_verify.proof import Proofs, Seen, b64url

HELD = 10_000
LEEWAY_S = 5

__all__ = ["Refused", "Token", "Unavailable", "Verifier"]


@dataclass(frozen=True, slots=True)
class Token:
    """Who calls. `claims` are those of RFC 9068 or, for an opaque token, of RFC 7662."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    claims: dict[str, Any] = field(repr=False)

    def require(self, *scopes: str) -> None:
        """RFC 6750 §3.1: `insufficient_scope`."""
        if not self.scopes.issuperset(scopes):
            needed = " ".join(scopes)
            raise Refused(
                "insufficient_scope", f"this needs the scope {needed}", status=403, scope=needed
            )


class Verifier:
    """One per issuer and API. `revocation_bound`: how long a revoked token may still pass."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        client_id: str | None = None,
        client_secret: str | None = None,
        revocation_bound: float = 30,
        require_bound: bool = False,
        seen: Seen | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not 0 <= revocation_bound <= 60:
            raise ValueError("a revoked token may pass for 60 seconds at most")
        self.issuer, self.audience = issuer, audience
        self._client = (client_id, client_secret) if client_id and client_secret else None
        self._bound_s, self._require_bound = revocation_bound, require_bound
        self._fetch = Fetch(tls)
        self._server, self._proofs = Issuer(issuer, self._fetch), Proofs(seen)
        self._asked: OrderedDict[bytes, tuple[float, dict[str, Any]]] = OrderedDict()

    async def verify(
        self,
        authorization: str | None,
        *,
        method: str,
        url: str,
        proofs: tuple[str, ...] = (),
        certificate: bytes | None = None,
    ) -> Token:
        """The token of a request; raises `Refused`, or `Unavailable` where nobody can know."""
        scheme, text = _credentials(authorization)
        claims = await self._jwt(text) if text.count(".") == 2 and text[:3] == "eyJ" else None
        if self._client is not None or claims is None:
            told = await self._introspected(text)
            claims = told if claims is None else claims
        self._judge(claims)
        await self._bound(claims, scheme, text, method, url, proofs, certificate)
        return Token(
            subject=str(claims.get("sub", "")),
            client_id=str(claims.get("client_id", "")),
            scopes=frozenset(str(claims.get("scope", "")).split()),
            claims=claims,
        )

    async def _jwt(self, text: str) -> dict[str, Any]:
        try:
            header, _ = parts(text)
            kid = header.get("kid")
            # RFC 9068 §4: "the resource server MUST verify that the "typ" header value is […]"
            if header.get("typ") not in ("at+jwt", "application/at+jwt"):
                raise ValueError("it is no access token")
            jwk = await self._server.key(kid) if isinstance(kid, str) else None
            if jwk is None:
                raise ValueError("its key is not published")
            return verified(text, lambda _: jwk)[1]
        except ValueError as error:
            raise bad(f"the access token is not valid: {error}") from None

    async def _introspected(self, text: str) -> dict[str, Any]:
        """RFC 7662, remembered for as long as a revocation may take; and never for longer."""
        if self._client is None:
            raise bad("the access token is not valid: it is opaque")
        name, now = sha256(text.encode()).digest(), time.monotonic()
        known = self._asked.get(name)
        if known is None or now - known[0] >= self._bound_s:
            where = await self._server.endpoint("introspection_endpoint")
            answer = await self._fetch.form(where, {"token": text}, *self._client)
            known = self._asked[name] = now, answer
            self._asked.move_to_end(name)
            if len(self._asked) > HELD:
                self._asked.popitem(last=False)
        if known[1].get("active") is not True:
            raise bad("the access token is not valid: it was revoked, or is unknown")
        return known[1]

    def _judge(self, claims: dict[str, Any]) -> None:
        now, aud = time.time(), claims.get("aud")
        if claims.get("iss") != self.issuer:
            raise bad("the access token is of another issuer")
        if self.audience not in (aud if isinstance(aud, list) else [aud]):
            raise bad("the access token is for another API")
        exp, nbf = claims.get("exp"), claims.get("nbf")
        if exp is not None and (not isinstance(exp, int | float) or exp + LEEWAY_S <= now):
            raise bad("the access token has expired")
        if nbf is not None and (not isinstance(nbf, int | float) or nbf - LEEWAY_S > now):
            raise bad("the access token is not valid yet")

    async def _bound(
        self,
        claims: dict[str, Any],
        scheme: str,
        text: str,
        method: str,
        url: str,
        proofs: tuple[str, ...],
        certificate: bytes | None,
    ) -> None:
        cnf = claims.get("cnf") or {}
        jkt, x5t = cnf.get("jkt"), cnf.get("x5t#S256")
        if self._require_bound and jkt is None and x5t is None:
            raise bad("the access token is bound to no key", "DPoP")
        if (jkt is not None) is not (scheme == "dpop"):  # RFC 9449 §7.2: no downgrade
            raise bad("the access token does not go with this scheme", "DPoP")
        if x5t is not None and (certificate is None or b64url(sha256(certificate).digest()) != x5t):
            raise bad("the access token is bound to another certificate")
        if jkt is None:
            return
        if len(proofs) != 1:
            raise bad("this needs exactly one DPoP proof", "DPoP")
        await self._proofs.check(proofs[0], text, jkt, method, url)


def _credentials(authorization: str | None) -> tuple[str, str]:
    if not authorization:
        raise Refused(None)
    scheme, _, text = authorization.partition(" ")
    text = text.strip()
    if scheme.lower() not in ("bearer", "dpop"):
        raise Refused(None)
    if not text or len(text) > 16_384 or not text.isascii() or not text.isprintable():
        raise bad("the access token is malformed")
    return scheme.lower(), text
