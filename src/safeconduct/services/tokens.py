"""The token endpoint (RFC 6749 §3.2): parse → gather → decide → commit → render."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from safeconduct.core.authorization_details import parsed
from safeconduct.core.detail_types import BUILT_IN, Types
from safeconduct.core.errors import (
    OAuthError,
    ProviderError,
    invalid_client,
    invalid_grant,
    unauthorized_client,
)
from safeconduct.core.form import Form, required
from safeconduct.core.grants._grant import Context, Grant, Issue, Refuse
from safeconduct.core.id_token import TYP, at_hash
from safeconduct.core.model import Client, Spent, TenantId
from safeconduct.core.policy import Policy, policy_of
from safeconduct.core.protected_resource import wishes
from safeconduct.core.scopes import format_scope
from safeconduct.core.sender import NOBODY, UNBOUND, Binding, Sender
from safeconduct.core.signed_response import PLAIN, protection
from safeconduct.core.spent import is_spent, spend
from safeconduct.core.unit import Facts, Ref
from safeconduct.core.upstream.placing import shown
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Signer
from safeconduct.ports.store import Store
from safeconduct.services.answers import Answers, signed
from safeconduct.services.connections.refresh import LiveCredential
from safeconduct.services.evidence import Judging
from safeconduct.services.keys import Keys
from safeconduct.services.proofs import Proofs, replayed
from safeconduct.services.realms import Realms
from safeconduct.services.resources import Resources
from safeconduct.services.tenant_keys import TenantKeys

NOTHING = Facts({})


class GivesCredentials(Protocol):
    """`services.connections.Refresh`."""

    async def credential(self, tenant_id: TenantId, connection_id: str) -> LiveCredential: ...


class Tokens:
    """`issued` counts what was given, by grant: what is stateless leaves no other trace."""

    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        grants: Mapping[str, Grant],
        proofs: Proofs,
        realms: Realms,
        resources: Resources,
        answers: Answers,
        judging: Judging,
        credentials: GivesCredentials,
        detail_types: Types = BUILT_IN,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.grants, self.proofs, self.realms = grants, proofs, realms
        self.resources, self.answers = resources, answers
        self.judging, self.credentials = judging, credentials
        self.detail_types = detail_types
        self.issued: dict[str, int] = dict.fromkeys(grants, 0)

    async def exchange(
        self,
        client: Client,
        form: Form,
        sender: Sender = NOBODY,
        *,
        policy: Policy | None = None,
        finish: Callable[[Issue], Issue] = lambda issue: issue,
    ) -> dict[str, Any]:
        """The token response (RFC 6749 §5.1) for an authenticated client; raises `OAuthError`.

        `policy` where another than the profile's applies; `finish` has the last word on claims.
        """
        grant = self._grant(client, required(form, "grant_type"))
        ask = grant.parse(form)
        keys, binding = self.keys.of(client.tenant_id), UNBOUND
        if sender is not NOBODY or client.sender_constrained:
            binding = self.proofs.binding(client, sender)
        ctx = self._context(client, grant, keys, binding, policy)
        if grant.shown is not None:
            ctx = replace(ctx, evidence=await self.judging.judge(client, grant.shown(ask)))
        verdict = await self._decide(grant, ask, ctx, binding)
        if isinstance(verdict, Refuse):
            raise verdict.error
        if verdict.connection_id is not None:
            answer = await self._provider_token(client, verdict)
            self.issued[grant.name] += 1
            return answer
        bound = binding.cnf is not None and "jkt" in binding.cnf
        type = "DPoP" if bound else policy_of(client.profile).token_type
        answer = await self._render(finish(verdict), client, type)
        self.issued[grant.name] += 1
        return answer

    def _grant(self, client: Client, name: str) -> Grant:
        grant = self.grants.get(name)
        if grant is None:
            raise OAuthError(
                "unsupported_grant_type", "grant_type is not supported", rfc="6749#5.2"
            )
        if name not in client.grant_types:
            raise unauthorized_client(
                "the client may not use this grant_type", rule="grant.client", rfc="6749#5.2"
            )
        if client.status != "active":
            if grant.redeems:
                raise invalid_grant("the client is disabled", rule="client.disabled")
            raise invalid_client(rule="client.disabled")
        return grant

    def _context(
        self,
        client: Client,
        grant: Grant,
        keys: TenantKeys,
        binding: Binding,
        policy: Policy | None,
    ) -> Context:
        mint, realm = self.mint, self.realms.of(client.tenant_id)
        policy = policy or realm.lifetimes[client.profile]
        apis = self.resources.of(client.tenant_id)
        own = realm.policy.authorization_details_types
        return Context(
            client=client,
            policy=policy,
            issuer=realm.issuer,
            detail_types={**own, **self.detail_types} if own else self.detail_types,
            now=self.clock.now(),
            digest_key=keys.digest_key,
            refresh_keys=keys.symmetric["refresh"],
            refresh_kid=keys.current["refresh"],
            event_id=mint.id("evt"),
            token_id=mint.id("at"),
            token_secret=mint.secret() if apis or policy.opaque(client) else "",
            family_id=mint.id("fam") if grant.starts_family else "",
            family_secret=mint.secret() if grant.starts_family else "",
            cnf=binding.cnf,
            apis=apis,
            subject_key=keys.key("subject"),
        )

    async def _decide(
        self, grant: Grant, ask: Any, ctx: Context, binding: Binding
    ) -> Issue | Refuse:
        peeks = grant.peek(ask)
        seen = await self.store.facts(peeks) if peeks else NOTHING
        reads = grant.reads(ask, seen, ctx)
        if binding.spent is not None:
            decide = partial(_once, grant, ask, ctx, binding, binding.spent)
            return await self.store.run((*reads, binding.spent), decide)
        if reads:
            return await self.store.run(reads, lambda facts: grant.decide(ask, facts, ctx))
        verdict = grant.decide(ask, NOTHING, ctx)
        if verdict.writes:
            await self.store.run((), lambda facts: verdict)
        return verdict

    async def _render(self, issue: Issue, client: Client, type: str) -> dict[str, Any]:
        """Sign what is to be signed. The order of members is that of RFC 6749 §5.1."""
        access = issue.access
        if not isinstance(access, str):
            access = await signed(await self._signer(client, access), access, "at+jwt")
        answer: dict[str, Any] = {"access_token": access, "token_type": type}
        if issue.expires_in is not None:
            answer["expires_in"] = issue.expires_in
        if issue.refresh_token is not None:
            answer["refresh_token"] = issue.refresh_token
        answer["scope"] = format_scope(issue.scope)
        if issue.issued_token_type is not None:
            answer["issued_token_type"] = issue.issued_token_type
        if issue.details:
            answer["authorization_details"] = parsed(issue.details)  # RFC 9396 §7
        if issue.id_token is not None:
            answer["id_token"] = await self._id_token(issue.id_token, client, access)
        return answer

    async def _provider_token(self, client: Client, issue: Issue) -> dict[str, Any]:
        """The provider's own access token of a connection, renewed first if need be."""
        assert issue.connection_id is not None
        try:
            live = await self.credentials.credential(client.tenant_id, issue.connection_id)
        except ProviderError as error:
            raise _unreachable(error) from None
        answer: dict[str, Any] = {
            "access_token": shown(live.provider, live.access_token),
            "issued_token_type": issue.issued_token_type,
            "token_type": live.token_type,
            "scope": format_scope(issue.scope),
        }
        if live.expires_at is not None:
            answer["expires_in"] = max(0, live.expires_at - self.clock.now()) // 1000
        return answer

    async def _signer(self, client: Client, claims: Mapping[str, Any]) -> Signer:
        """The API that the token is for may have chosen the algorithm; else it is our usual one."""
        apis, aud = self.resources.of(client.tenant_id), claims["aud"]
        if not apis:
            return self.keys.of(client.tenant_id).signer
        wish = wishes(apis, [aud] if isinstance(aud, str) else aud)
        return await self.answers.signer(client.tenant_id, wish.signing_alg)

    async def _id_token(self, claims: Mapping[str, Any], client: Client, access: str) -> str:
        how = protection(client, "id_token") or PLAIN
        signer = await self.answers.signer(client.tenant_id, how.alg)
        if signer.algorithm != "EdDSA":
            claims = {**claims, "at_hash": at_hash(access)}
        return await self.answers.seal(client, claims, TYP, how)


def _once(
    grant: Grant, ask: Any, ctx: Context, binding: Binding, ref: Ref[Spent], facts: Facts
) -> Issue | Refuse:
    """RFC 9449 §11.1: with the tokens the proof is spent; what is refused spends nothing."""
    if is_spent(facts, ref, ctx.now):
        return Refuse(error=replayed())
    verdict = grant.decide(ask, facts, ctx)
    if isinstance(verdict, Refuse):
        return verdict
    return replace(verdict, writes=(*verdict.writes, spend(facts, ref, binding.until)))


def _unreachable(error: ProviderError) -> OAuthError:
    """What a provider's refusal is to somebody who asked us for a token."""
    if error.remedy == "retry":
        return OAuthError(
            "temporarily_unavailable",
            "the provider cannot be asked at the moment",
            status=503,
            rule="connection.unavailable",
            retry_after=int(error.retry_after or 1),
        )
    return OAuthError(
        "invalid_target",
        "the connection has to be linked again by its user",
        rule=f"connection.{error.remedy}",
        rfc="8693#2.2.2",
    )
