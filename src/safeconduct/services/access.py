"""Whether a token may be used now, for every API of ours, introspection and userinfo alike.

A JWT's signature is checked once; that it verified is held by the token's exact text. Whether it
is still alive is asked of the store each time, so a revocation bites on the next request.
"""

from dataclasses import dataclass, replace
from typing import Any

from safeconduct.core.access_token import Bearer, bearer_of_claims, bearer_of_row
from safeconduct.core.acr import MULTI
from safeconduct.core.api_keys import PREFIXES
from safeconduct.core.connections import connection_ref
from safeconduct.core.errors import invalid_token
from safeconduct.core.introspection import covered_by, exchange_trouble, token_trouble
from safeconduct.core.keys import kid_of
from safeconduct.core.model import AccessToken, DeniedToken, TenantId, TokenFamily
from safeconduct.core.secret import digest, parse_opaque, same
from safeconduct.core.sender import NOBODY, Sender
from safeconduct.core.unit import Read, Ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.api_keys import ApiKeys
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.proofs import Proofs
from safeconduct.services.realms import Realms

__all__ = ["Access", "Bearer", "Dead"]

HELD = 2_048


@dataclass(frozen=True, slots=True)
class Dead:
    """A token that opens nothing, and the rule by which it does not. `bearer` of an authentic one
    says whose it was.
    """

    rule: str
    bearer: Bearer | None = None


class Access:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        clients: Clients,
        proofs: Proofs,
        realms: Realms,
        api_keys: ApiKeys | None = None,
    ) -> None:
        self.store, self.keys, self.clock = store, keys, clock
        self.clients, self.proofs = clients, proofs
        self.realms, self.api_keys = realms, api_keys
        self._verified: dict[str, tuple[str, Bearer]] = {}  # token → kid, bearer

    async def bearer(
        self, token: str, sender: Sender = NOBODY, at: TenantId | None = None
    ) -> Bearer:
        """Whoever may call our own APIs with this token or API key; raises `invalid_token`.

        At an address of the tenant `at`, tokens of all others are unknown.
        """
        found = await self._key(token) if token.startswith(PREFIXES) else await self.judge(token)
        if isinstance(found, Bearer) and at not in (None, found.tenant_id):
            found = Dead("token.tenant")
        if isinstance(found, Dead):
            raise invalid_token(_SAYS.get(found.rule, _INVALID), rule=found.rule, rfc="6750#3.1")
        if self.realms.issuer(found.tenant_id) not in found.resources:
            raise invalid_token(
                "the access token is for another API", rule="token.audience", rfc="9068#4"
            )
        if found.cnf is not None or sender.scheme != "bearer":
            await self.proofs.check(found, token, sender)
        return found

    def require_step_up(self, bearer: Bearer) -> None:
        """RFC 9470: what the tenant asks of the sign-in behind a token that ends something."""
        policy = self.realms.of(bearer.tenant_id).policy
        needed = (MULTI,) if policy.unlink_second_factor else ()
        age = policy.unlink_max_age_seconds
        if bearer.kind != "api_key" and (needed or age is not None):
            bearer.require_authentication(self.clock.now(), acr_values=needed, max_age=age)

    async def judge(self, token: str) -> Bearer | Dead:
        """Whose token this is, for whichever API it was made; API keys are no tokens."""
        if token.startswith("sc_at_"):
            return await self._opaque(token)
        bearer = self._read_jwt(token)
        if isinstance(bearer, Dead):
            return bearer
        return await self._living(bearer, None)

    async def _key(self, text: str) -> Bearer | Dead:
        if self.api_keys is None:
            return Dead("api_key.unknown")
        found = await self.api_keys.bearer(text)
        return Dead(found) if isinstance(found, str) else found

    async def _opaque(self, token: str) -> Bearer | Dead:
        parsed = parse_opaque("at", token)
        if parsed is None or not self.keys.knows(parsed.tenant_id):
            return Dead("token.unknown")
        row = await self.store.get(Ref(AccessToken, tenant_id=parsed.tenant_id, id=parsed.id))
        shown = digest(self.keys.of(parsed.tenant_id).digest_key, token)
        if row is None or not same(row.digest, shown):
            return Dead("token.unknown")
        return await self._living(bearer_of_row(row), row)

    def _read_jwt(self, token: str) -> Bearer | Dead:
        """RFC 9068 §4: type, signature, issuer. The rest is `_living`'s."""
        held = self._verified.get(token)
        if held is not None and self.keys.publishes(held[0]):
            return held[1]
        try:
            tenant_id, claims = self.keys.verify(token, typ="at+jwt")
            if claims["iss"] != self.realms.issuer(tenant_id):
                return Dead("token.issuer")
            bearer = bearer_of_claims(tenant_id, claims)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Dead("token.unknown")
        if len(self._verified) >= HELD:
            self._verified.pop(next(iter(self._verified)))
        self._verified[token] = kid_of(token), bearer
        return bearer

    async def _living(self, bearer: Bearer, row: AccessToken | None) -> Bearer | Dead:
        now = self.clock.now()
        client = await self.clients.find(bearer.client_id, bearer.tenant_id)
        denied = _denied(bearer.tenant_id, bearer.jti)
        family = _family(bearer)
        reads: list[Read] = [denied] if row is None else []
        if family is not None:
            reads.append(family)
        exchanged = _exchanged(bearer)
        reads.extend(exchanged)
        facts = await self.store.facts(reads) if reads else None
        authorization = facts.get(family) if facts and family else None
        source = None
        if bearer.source:
            source = await self.clients.find(bearer.source, bearer.tenant_id)
        trouble = token_trouble(
            bearer,
            client,
            authorization,
            facts.get(denied) if facts and row is None else None,
            row,
            now,
            source,
        )
        if trouble is None and facts and exchanged:
            trouble = exchange_trouble([facts.get(ref) for ref in exchanged])
        if trouble is not None or client is None:
            return Dead(trouble or "client.gone", bearer)
        if client.profile != bearer.profile:
            bearer = replace(bearer, profile=client.profile)
        if authorization and authorization.user_id != bearer.user_id:
            bearer = replace(bearer, user_id=authorization.user_id)  # its `sub` is pairwise
        if authorization and row is not None:
            bearer = replace(bearer, acr=authorization.acr, auth_time=authorization.auth_time)
        if authorization and (authorization.live_account or authorization.paper_account):
            bearer = replace(bearer, accounts=covered_by(authorization, client))
        return bearer


_INVALID = "the access token is not valid"
_SAYS = {"token.expired": "the access token has expired"}


def _denied(tenant_id: TenantId, jti: str) -> Ref[DeniedToken]:
    return Ref(DeniedToken, tenant_id=tenant_id, jti=jti)


def _exchanged(bearer: Bearer) -> list[Ref[Any]]:
    """What an exchanged token ends with, beside the authorization behind it."""
    tenant_id, found = bearer.tenant_id, list[Ref[Any]]()
    for jti in bearer.parents:
        found += (_denied(tenant_id, jti), Ref(AccessToken, tenant_id=tenant_id, id=jti))
    if bearer.connection_id is not None:
        found.append(connection_ref(tenant_id, bearer.connection_id))
    return found


def _family(bearer: Bearer) -> Ref[TokenFamily] | None:
    if bearer.family_id is None:
        return None
    return Ref(TokenFamily, tenant_id=bearer.tenant_id, id=bearer.family_id)
