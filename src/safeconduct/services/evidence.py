"""Judges what is shown to the token endpoint: tokens of ours, and JWTs of issuers whom we trust.

The answer is evidence or the error to refuse with, never an exception: the grant decides what
either is worth, and writes the refusal down.
"""

from collections.abc import Mapping

from safeconduct.core.access_token import Bearer
from safeconduct.core.authorization_details import canonical
from safeconduct.core.errors import OAuthError, invalid_request
from safeconduct.core.evidence import ACCESS_TOKEN, ID_TOKEN, JWT, REFRESH_TOKEN, Evidence, Shown
from safeconduct.core.exchange_policy import exchange_policy
from safeconduct.core.introspection import family_trouble
from safeconduct.core.jwk import SIGNING
from safeconduct.core.jws import Jws, parse_jws
from safeconduct.core.model import Client, Identifier, TokenFamily, TrustedIssuer
from safeconduct.core.pairwise import is_pairwise
from safeconduct.core.refresh_token import parse_refresh_token
from safeconduct.core.secret import digest, same
from safeconduct.core.trusted_issuer import judge, once_of, time_of
from safeconduct.core.unit import Ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.access import Access, Dead
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.trusted_issuers import TrustedIssuers

Judged = Evidence | OAuthError


class Judging:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        clients: Clients,
        access: Access,
        client_keys: ClientKeys,
        issuers: TrustedIssuers,
        realms: Realms,
    ) -> None:
        self.store, self.keys, self.clock = store, keys, clock
        self.clients, self.access, self.client_keys = clients, access, client_keys
        self.issuers, self.realms = issuers, realms

    async def judge(self, client: Client, shown: Mapping[str, Shown]) -> Mapping[str, Judged]:
        return {name: await self._one(client, one) for name, one in shown.items()}

    async def _one(self, client: Client, shown: Shown) -> Judged:
        match shown.type:
            case _ if shown.type == ACCESS_TOKEN:
                return await self._access(shown.token)
            case _ if shown.type == REFRESH_TOKEN:
                return await self._refresh(client, shown.token)
            case _ if shown.type == ID_TOKEN:
                return await self._id_token(client, shown.token)
            case _:
                return await self._jwt(client, shown.token)

    async def _access(self, token: str) -> Judged:
        bearer = await self.access.judge(token)
        if isinstance(bearer, Dead):
            return _bad(bearer.rule)
        return await self._of_bearer(bearer)

    async def _of_bearer(self, bearer: Bearer) -> Judged:
        owner = await self.clients.find(bearer.source or bearer.client_id, bearer.tenant_id)
        named = exchange_policy(owner).may_act if owner else None
        return Evidence(
            type=ACCESS_TOKEN,
            tenant_id=bearer.tenant_id,
            issuer=self.realms.issuer(bearer.tenant_id),
            subject=bearer.user_id or bearer.subject or bearer.client_id,
            client_id=bearer.client_id,
            user_id=bearer.user_id,
            grant_id=bearer.grant_id,
            family_id=bearer.family_id,
            scope=bearer.scope,
            resources=bearer.resources,
            expires_at=bearer.expires_at,
            act=bearer.act,
            may_act=None if named is None else {"sub": named},
            cnf=bearer.cnf,
            connection_id=bearer.connection_id,
            details=tuple(map(canonical, bearer.details)),
            parents=(*bearer.parents, bearer.jti),
            source=bearer.source,
        )

    async def _refresh(self, client: Client, text: str) -> Judged:
        """The live leaf of the caller's own family; looking at it does not use it up."""
        token = parse_refresh_token(text)
        if token is None or token.tenant_id != client.tenant_id:
            return _bad("refresh.unknown")
        ref = Ref(TokenFamily, tenant_id=token.tenant_id, id=token.family_id)
        family = await self.store.get(ref)
        shown, now = digest(self.keys.of(client.tenant_id).digest_key, text), self.clock.now()
        if family is None or family.client_id != client.id or not same(shown, family.digest):
            return _bad("refresh.unknown")
        if family_trouble(family, client, now) or now >= family.idle_expires_at:
            return _bad("refresh.over")
        return Evidence(
            type=REFRESH_TOKEN,
            tenant_id=family.tenant_id,
            issuer=self.realms.issuer(family.tenant_id),
            subject=family.user_id,
            client_id=family.client_id,
            user_id=family.user_id,
            grant_id=family.grant_id,
            family_id=family.id,
            scope=family.scope,
            resources=family.resources,
            details=family.authorization_details,
            cnf={str(k): str(v) for k, v in family.cnf.items()} if family.cnf else None,
        )

    async def _id_token(self, client: Client, text: str) -> Judged:
        """An ID token of ours; what it opens is the grant of its client, for its own life."""
        try:
            tenant_id, claims = self.keys.verify(text, typ="JWT")
        except ValueError:
            return await self._jwt(client, text)
        exp, aud = time_of(claims, "exp"), claims.get("aud")
        owner = await self.clients.find(aud, tenant_id) if isinstance(aud, str) else None
        if claims.get("iss") != self.realms.issuer(tenant_id) or owner is None:
            return _bad("id_token.issuer")
        if not isinstance(exp, int) or exp <= self.clock.now():
            return _bad("token.expired")
        if is_pairwise(owner) or owner.id != client.id or "auth_time" not in claims:
            return _bad("id_token.client")
        return Evidence(
            type=ID_TOKEN,
            tenant_id=tenant_id,
            issuer=claims["iss"],
            subject=claims["sub"],
            client_id=owner.id,
            user_id=claims["sub"],
            expires_at=exp,
            auth_time=claims["auth_time"] * 1000,
            acr=claims.get("acr"),
            amr=tuple(claims.get("amr", ())),
        )

    async def _jwt(self, client: Client, text: str) -> Judged:
        """A JWT: our own access token, or one of an issuer whom this client may bring."""
        try:
            jws = parse_jws(text)
        except ValueError:
            return _bad("assertion.malformed")
        if jws.typ == "at+jwt" and jws.claims.get("iss") == self.realms.issuer(client.tenant_id):
            return await self._access(text)
        issuer = jws.claims.get("iss")
        if not isinstance(issuer, str) or not 0 < len(issuer) <= 2_000:
            return _bad("assertion.issuer")
        known = await self.issuers.find(client.tenant_id, issuer)
        if known is None or client.id not in known.client_ids or jws.alg not in SIGNING:
            return _bad("assertion.issuer")
        base = self.realms.issuer(client.tenant_id)
        rule = judge(jws, known, (base, f"{base}/oauth2/token"), self.clock.now())
        if rule is not None:
            return _bad(rule)
        if not await self.client_keys.verified(known, jws):
            return _bad("assertion.signature")
        return await self._external(known, jws)

    async def _external(self, issuer: TrustedIssuer, jws: Jws) -> Judged:
        claims = jws.claims
        user_id = await self._user(issuer, jws)
        if user_id is None:
            return _bad("assertion.user")
        exp, at = time_of(claims, "exp"), time_of(claims, "auth_time")
        act, may_act = claims.get("act"), claims.get("may_act")
        return Evidence(
            type=JWT,
            tenant_id=issuer.tenant_id,
            issuer=issuer.issuer,
            subject=user_id,
            client_id=None,
            user_id=user_id,
            expires_at=exp if isinstance(exp, int) else None,
            act=act if isinstance(act, Mapping) else None,
            may_act=may_act if isinstance(may_act, Mapping) else None,
            auth_time=at if isinstance(at, int) else None,
            trusted=issuer,
            once=once_of(issuer, claims),
        )

    async def _user(self, issuer: TrustedIssuer, jws: Jws) -> str | None:
        if issuer.subject == "user_id":
            return str(jws.claims["sub"])
        email = jws.claims.get("email")
        # OpenID Connect Core §5.7: an address that nobody has verified is anybody's
        if not isinstance(email, str) or jws.claims.get("email_verified") is not True:
            return None
        ref = Ref(Identifier, tenant_id=issuer.tenant_id, kind="email", value=email.lower())
        row = await self.store.get(ref)
        return row.user_id if row is not None and row.verified_at is not None else None


def _bad(rule: str) -> OAuthError:
    """RFC 8693 §2.2.2; every failure in the same words."""
    return invalid_request("the token that was shown is not valid", rule=rule, rfc="8693#2.2.2")
