"""Link an account from another screen (RFC 8628): we are the device that cannot show a browser.

    begin ──▶ codes ──▶ somebody types one in at the provider
                job ──▶ not yet: later · slower: 5 s more · no: over · tokens ──▶ connection

Only the job asks the provider, at the pace it sets; pages and apps read what came of it, as often
as they like. Whoever began owns the attempt: nobody else sees the code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from safeconduct.core import attempts, jobs
from safeconduct.core.attempts import attempt_ref
from safeconduct.core.errors import ApiError, ProviderError, not_found
from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import Attempt, DeviceLink, Job
from safeconduct.core.unit import Done, Facts, Insert, Ref, Update
from safeconduct.core.upstream import device_flow
from safeconduct.core.upstream.device_flow import (
    MAX_INTERVAL_S,
    SLOWER_S,
    Codes,
    Ended,
    Later,
)
from safeconduct.core.upstream.flow import Tokens
from safeconduct.core.upstream.pages import capabilities_of
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.connections.attach import Attach, Held
from safeconduct.services.connections.exchanges import Abandoned, CodeExchange
from safeconduct.services.connections.giving_back import revoke_job
from safeconduct.services.connections.providers import Providers, Ready
from safeconduct.services.connections.start import Start, Starter, read_label
from safeconduct.services.connections.verifiers import open_verifier, seal_verifier
from safeconduct.services.failpoints import failpoint
from safeconduct.services.vault import TokenPair, Vault

MODE = "oauth2_device"
POLL_JOB = "attempt.poll"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Linking:
    """An attempt, and what has to be typed in for it; None once nobody can any more."""

    attempt: Attempt
    link: DeviceLink | None = field(repr=False)


class DeviceLinks:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        providers: Providers,
        outbound: Outbound,
        clock: Clock,
        mint: Mint,
        start: Start,
        client_keys: ClientKeys,
    ) -> None:
        self.store, self.vault, self.providers = store, vault, providers
        self.outbound, self.clock, self.mint, self.start = outbound, clock, mint, start
        self.attach = Attach(store=store, vault=vault, clock=clock, mint=mint)
        self.codes = CodeExchange(
            vault=vault, outbound=outbound, clock=clock, mint=mint, client_keys=client_keys
        )

    async def begin(
        self,
        who: Starter,
        provider_id: str,
        *,
        display_label: str | None = None,
        connection_id: str | None = None,
        placeholders: Mapping[str, str] | None = None,
    ) -> Linking:
        """404 as `Start.start`; `ProviderError` when the provider gives no code."""
        ready = await self.providers.need(who.tenant_id, provider_id)
        if MODE not in ready.modes:
            raise ApiError(400, "auth_mode", "This provider is not linked from another screen.")
        label = read_label(display_label)
        site = await self.start.site(who, ready, connection_id, placeholders or {})
        ready = ready.at(site)
        blank, _ = self.start.blank(who, ready, label, connection_id, MODE, site)
        scopes = device_flow.device(ready.provider).scopes
        attempt = replace(
            blank,
            digest=b"",  # no `state` travels, so none can be presented
            redirect_uri="",
            scope=frozenset(ready.provider.oauth2.scopes if scopes is None else scopes),
        )
        await self.start.keep(attempt)
        try:
            codes = await self._codes(ready)
        except ProviderError as error:
            await self.attach.fail(attempt, ready, error)
            raise
        return await self._begun(attempt, codes)

    async def show(self, who: Starter, attempt_id: str) -> Linking:
        """What came of it so far. 404 for anybody but who began it, through the same app."""
        row = await self.store.get(attempt_ref(who.tenant_id, attempt_id))
        mine = (who.user_id, who.client_id or "")
        if row is None or (row.user_id, row.client_id) != mine:
            raise not_found("attempt")
        if not attempts.is_open(row, self.clock.now()):
            return Linking(row, None)
        link = await self.store.get(link_ref(row))
        return Linking(row, link)

    async def _codes(self, ready: Ready) -> Codes:
        request = device_flow.device_request(ready.provider, ready.registration)
        said = await self.outbound.send(request)
        return device_flow.read_codes(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )

    async def _begun(self, attempt: Attempt, codes: Codes) -> Linking:
        sealed = seal_verifier(
            self.vault, attempt.tenant_id, attempt.id, codes.device_code.reveal()
        )
        columns = {"code_verifier": sealed, "expires_at": codes.expires_at}
        link = DeviceLink(
            tenant_id=attempt.tenant_id,
            attempt_id=attempt.id,
            user_code=codes.user_code,
            verification_uri=codes.verification_uri,
            verification_uri_complete=codes.verification_uri_complete,
            interval_s=codes.interval_s,
            expires_at=codes.expires_at,
        )
        now, payload = self.clock.now(), {"provider_id": attempt.provider_id}
        first = jobs.job(
            self.mint.id("job"),
            attempt.tenant_id,
            POLL_JOB,
            attempt.id,
            now,
            payload,
            now + codes.interval_s * 1000,
        )
        ref = attempt_ref(attempt.tenant_id, attempt.id)
        writes = (Update(ref, columns), Insert(link), Insert(first))
        await self.store.run((), lambda _: Done(None, writes))
        return Linking(replace(attempt, code_verifier=sealed, expires_at=codes.expires_at), link)

    # The job

    async def run(self, job: Job) -> Outcome:
        """`attempt.poll`: ask once; comes back until somebody has decided, or it is too late."""
        ref = attempt_ref(job.tenant_id, job.subject)
        row = await self.store.get(ref)
        if row is None or row.outcome in ("completed", "failed"):
            return None
        link = await self.store.get(link_ref(row))
        ready = await self.providers.ready(job.tenant_id, row.provider_id)
        ready = ready and ready.at(row.site)
        error = self._over(row, link, ready)
        if error is not None or link is None or ready is None:
            await self._fail(row, error or "provider_disabled")
            return None
        try:
            polled = await self._poll(row, ready)
        except ProviderError as failure:
            return await self._troubled(row, link, ready, failure)
        match polled:
            case Later(slower):
                more = SLOWER_S if slower else 0
                return await self._again(link, min(link.interval_s + more, MAX_INTERVAL_S))
            case Ended(said):
                await self._fail(row, f"provider.{said}")
                return None
            case tokens:
                await failpoint("device.answered")
                await self._link(row, ready, tokens)
                return None

    def _over(self, row: Attempt, link: DeviceLink | None, ready: Ready | None) -> str | None:
        if row.outcome == "taken":
            return "interrupted"  # an earlier holder of this job was cut off with the tokens
        if self.clock.now() >= row.expires_at or link is None:
            return "provider.expired_token"
        return "provider_disabled" if ready is None or MODE not in ready.modes else None

    async def _poll(self, row: Attempt, ready: Ready) -> Tokens | Later | Ended:
        device_code = await open_verifier(self.vault, row)
        assert device_code is not None, "an open attempt has its device code"
        request = device_flow.poll_request(ready.provider, ready.registration, device_code)
        said = await self.outbound.send(request)
        return device_flow.read_poll(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )

    async def _troubled(
        self, row: Attempt, link: DeviceLink, ready: Ready, error: ProviderError
    ) -> Outcome:
        """§3.5: "On encountering a connection timeout, clients MUST unilaterally reduce their
        polling frequency before retrying", by doubling.
        """
        if error.remedy != "retry":
            await self.attach.fail(row, ready, error)
            return None
        wait = max(link.interval_s * 2, int(error.retry_after or 0))
        return await self._again(link, min(wait, MAX_INTERVAL_S))

    async def _again(self, link: DeviceLink, interval_s: int) -> Outcome:
        if interval_s != link.interval_s:
            ref = Ref(DeviceLink, tenant_id=link.tenant_id, attempt_id=link.attempt_id)
            change = (Update(ref, {"interval_s": interval_s}),)
            await self.store.run((), lambda _: Done(None, change))
        return Reschedule(self.clock.now() + interval_s * 1000)

    async def _link(self, row: Attempt, ready: Ready, tokens: Tokens) -> None:
        """As with a callback: the attempt is taken first, once, and only while it is open."""
        ref, now = attempt_ref(row.tenant_id, row.id), self.clock.now()
        held = Held(MODE, TokenPair(tokens.access_token, tokens.refresh_token))
        back = self._given_back(row, held)

        def take(facts: Facts) -> Done[bool]:
            found = facts.get(ref)
            if found is None or found.consumed_at is not None:
                return Done(False, (Insert(back),))
            return Done(True, (Update(ref, {"consumed_at": now, "outcome": "taken"}),))

        if not (await self.store.run((ref,), take)).answer:
            return
        await failpoint("device.taken")
        taken = replace(row, consumed_at=now, outcome="taken")
        try:
            obtained, account = await self.codes.of_tokens(taken, ready.by(MODE), tokens)
        except ProviderError as error:
            await self.attach.fail(taken, ready, error)
            return
        except Abandoned as over:
            await self.attach.fail(taken, ready, over.error, over.held)
            return
        await self.attach.link(taken, obtained, account, capabilities_of(ready.provider))

    async def _fail(self, row: Attempt, reason: str) -> None:
        ref, event_id, now = (
            attempt_ref(row.tenant_id, row.id),
            self.mint.id("evt"),
            self.clock.now(),
        )

        def decide(facts: Facts) -> Done[None]:
            found = facts.get(ref)
            if found is None or found.outcome in ("completed", "failed"):
                return Done(None)
            return Done(None, attempts.fail(found, reason, event_id=event_id, now=now))

        await self.store.run((ref,), decide)
        _log.info("attempt.failed", attempt=row.id, reason=reason)

    def _given_back(self, row: Attempt, held: Held) -> Job:
        return revoke_job(
            self.vault,
            self.mint,
            row.tenant_id,
            row.provider_id,
            "",
            row.user_id,
            held.mode,
            held.pair,
            self.clock.now(),
            site=row.site,
        )


def link_ref(row: Attempt) -> "Ref[DeviceLink]":
    return Ref(DeviceLink, tenant_id=row.tenant_id, attempt_id=row.id)
