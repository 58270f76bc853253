"""Finish linking an account: two units of work, and the provider between them.

    take the attempt, once ──▶ code → secret → whose account? ──▶ connection, credential, jobs
                                  (`exchanges`)

A crash between the two costs the user one more try, and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from safeconduct.core import attempts
from safeconduct.core.attempts import NotYours, Over, Presenter, Taken, attempt_ref
from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.model import Attempt, TenantId
from safeconduct.core.secret import digest, parse_opaque
from safeconduct.core.unit import Facts
from safeconduct.core.upstream import oauth1_flow
from safeconduct.core.upstream.api import TOKEN
from safeconduct.core.upstream.callback import Granted
from safeconduct.core.upstream.pages import capabilities_of
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.connections.attach import Attach, Completed, NotCompleted
from safeconduct.services.connections.exchanges import Abandoned, CodeExchange, Exchange
from safeconduct.services.connections.minting import Minting
from safeconduct.services.connections.providers import Providers, Ready
from safeconduct.services.connections.signing import Signing
from safeconduct.services.failpoints import failpoint
from safeconduct.services.keys import Keys
from safeconduct.services.vault import Vault

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """Who brings the callback, and what came with it. `provider_id` and `return_to`, the app's own
    address, where the caller names them.
    """

    tenant_id: TenantId
    mode: Literal["api", "widget", "surface"]
    user_id: str | None
    client_id: str | None = None
    provider_id: str | None = None
    return_to: str | None = None
    browser_id: str | None = field(default=None, repr=False)
    state: str = field(repr=False)
    params: Sequence[tuple[str, str]] = field(repr=False)


def invalid_state() -> ApiError:
    """One answer for unknown, used, expired and somebody else's."""
    return ApiError(400, "invalid_state", "state is not valid", field="state")


class Complete:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        vault: Vault,
        providers: Providers,
        outbound: Outbound,
        clock: Clock,
        mint: Mint,
        client_keys: ClientKeys,
    ) -> None:
        self.store, self.keys, self.providers = store, keys, providers
        self.clock, self.mint = clock, mint
        codes = CodeExchange(
            vault=vault, outbound=outbound, clock=clock, mint=mint, client_keys=client_keys
        )
        there: dict[str, Any] = {"vault": vault, "outbound": outbound, "clock": clock}
        self.ways: Mapping[str, Exchange] = {
            "oauth2_code": codes,
            "oauth2_yields_api_key": Minting(codes=codes, **there),
            "oauth1": Signing(store=store, keys=keys, **there),
        }
        self.attach = Attach(store=store, vault=vault, clock=clock, mint=mint)

    async def attempt(self, tenant_id: TenantId | None, state: str) -> Attempt | None:
        """The attempt that a `state` names, if the state is genuine. Changes nothing."""
        parts = parse_opaque("st", state)
        if parts is None or not self.keys.knows(parts.tenant_id):
            return None
        if tenant_id is not None and parts.tenant_id != tenant_id:
            return None
        row = await self.store.get(attempt_ref(parts.tenant_id, parts.id))
        genuine = row is not None and row.digest in self._digests(row.tenant_id, state)
        return row if genuine else None

    async def complete(self, back: Returning) -> Completed | NotCompleted:
        """400 `invalid_state` when this caller cannot finish any such attempt; nothing changes."""
        known = await self.attempt(back.tenant_id, back.state)
        if known is None:
            _log.info("attempt.refused", rule="state.unknown")
            raise invalid_state()
        ready = await self.providers.need(
            back.tenant_id, known.provider_id, version=known.entry_version
        )
        taken = await self._take(known, back, ready, direct=back.mode != "api")
        if isinstance(taken, NotCompleted):
            return taken
        await failpoint("attempt.taken")
        way = self.ways[taken.attempt.auth_mode]
        try:
            ready = ready.by(taken.attempt.auth_mode).at(taken.attempt.site)
            secret, account = await way.exchange(taken.attempt, taken.callback.code, ready)
        except ProviderError as error:
            return await self.attach.fail(taken.attempt, ready, error)
        except Abandoned as over:
            return await self.attach.fail(taken.attempt, ready, over.error, over.held)
        await failpoint("attempt.exchanged")
        gives = capabilities_of(ready.provider)
        return await self.attach.link(taken.attempt, secret, account, gives)

    async def refuse(self, attempt: Attempt, back: Returning) -> NotCompleted | None:
        """End an attempt whose callback carries no code for us; None when it carries one, and then
        nothing was changed.
        """
        ready = await self.providers.need(
            attempt.tenant_id, attempt.provider_id, version=attempt.entry_version
        )
        callback = attempts.answered(attempt, ready.provider, back.params)
        if isinstance(callback, Granted):
            return None
        taken = await self._take(attempt, back, ready, direct=True)
        return taken if isinstance(taken, NotCompleted) else None

    async def _take(
        self, known: Attempt, back: Returning, ready: Ready, *, direct: bool
    ) -> Taken | NotCompleted:
        """`direct`: the browser came straight from the provider, so that nothing of its answer
        (RFC 9207 `iss`) can have been left out on the way.
        """
        ref, who = attempt_ref(known.tenant_id, known.id), self._presenter(back)
        event_id, now = self.mint.id("evt"), self.clock.now()

        def decide(facts: Facts) -> Taken | Over | NotYours:
            return attempts.judge(
                facts.get(ref),
                who,
                ready.provider,
                back.params,
                now=now,
                event_id=event_id,
                require_iss=direct,
            )

        match await self.store.run((ref,), decide):
            case NotYours(rule):
                _log.info("attempt.refused", attempt=known.id, rule=rule)
                raise invalid_state()
            case Over(attempt, reason, description):
                _log.info("attempt.failed", attempt=known.id, reason=reason)
                return NotCompleted(attempt, reason, description)
            case taken:
                return taken

    def _presenter(self, back: Returning) -> Presenter:
        key = self.keys.of(back.tenant_id).digest_key
        token = dict(oauth1_flow.returned(back.params)).get(TOKEN)
        return Presenter(
            digests=self._digests(back.tenant_id, back.state),
            token_digests=self._digests(back.tenant_id, token) if token else (),
            provider_id=back.provider_id,
            return_to=back.return_to,
            mode=back.mode,
            user_id=back.user_id,
            client_id=back.client_id,
            browser_digest=None if back.browser_id is None else digest(key, back.browser_id),
        )

    def _digests(self, tenant_id: TenantId, state: str) -> tuple[bytes, ...]:
        keys = self.keys.of(tenant_id).symmetric["digest"].values()
        return tuple(digest(key, state) for key in keys)
