"""Give a provider back what it gave: revocation (RFC 7009) as work that survives everything.

The sealed tokens travel with the job, because the credential's row is erased in the unit that
enqueues it. They are wiped from the job as soon as the provider has taken them back.
"""

from base64 import b64decode, b64encode
from typing import Literal

import structlog

from safeconduct.core.errors import ProviderError
from safeconduct.core.events import event
from safeconduct.core.jobs import Failed, Outcome, Reschedule, job, job_ref
from safeconduct.core.model import Job, TenantId
from safeconduct.core.unit import Done, Facts, Insert, Update
from safeconduct.core.upstream import ending
from safeconduct.core.upstream.brought import registration_of
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Unsealable
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.connections.providers import Providers
from safeconduct.services.failpoints import failpoint
from safeconduct.services.vault import TokenPair, Vault

REVOKE_JOB = "provider.revoke"
TABLE = "jobs"
PATIENCE_MS = 3 * 86_400_000
"""So long a provider is asked to take back what it gave."""

SHORTEST_MS = 2_000
LONGEST_MS = 3_600_000

Told = Literal["provider_grant.revoked", "provider_grant.revocation_failed"]

_log = structlog.get_logger(__name__)


def revoke_job(
    vault: Vault,
    mint: Mint,
    tenant_id: TenantId,
    provider_id: str,
    connection_id: str,
    user_id: str,
    auth_mode: str,
    tokens: TokenPair,
    now: int,
    *,
    site: str = "",
) -> Job:
    """`subject` is the job's own id: one connection can have several secrets to give back."""
    id = mint.id("job")
    sealed = vault.seal_tokens(tenant_id, id, tokens, table=TABLE)
    payload = {
        "provider_id": provider_id,
        "connection_id": connection_id,
        "user_id": user_id,
        "auth_mode": auth_mode,
        "site": site,
        "sealed": b64encode(sealed).decode(),
    }
    return job(id, tenant_id, REVOKE_JOB, id, now, payload)


class GivingBack:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        providers: Providers,
        outbound: Outbound,
        clock: Clock,
        mint: Mint,
    ) -> None:
        self.store, self.vault, self.providers = store, vault, providers
        self.outbound, self.clock, self.mint = outbound, clock, mint

    async def run(self, job: Job) -> Outcome:
        """One try. The rest of the story is told by the job's age, not by a count: a provider may
        be away for a day.
        """
        sealed = job.payload.get("sealed")
        if not isinstance(sealed, str):
            return None  # an earlier holder of this job did it, and was cut off afterwards
        await failpoint("revoke.claimed")
        try:
            tokens = await self.vault.open_tokens(
                job.tenant_id, job.id, b64decode(sealed), table=TABLE
            )
            how = await self._revoke(job, tokens)
        except Unsealable:
            return await self._give_up(job, "unreadable")
        except ProviderError as error:
            return await self._later(job, error)
        await failpoint("revoke.answered")
        await self._tell(job, "provider_grant.revoked", {"how": how})
        return None

    async def _revoke(self, job: Job, tokens: TokenPair) -> str:
        ready = await self.providers.leaving(job.tenant_id, str(job.payload["provider_id"]))
        if ready is None:
            return "provider_unknown"
        ready = ready.at(str(job.payload.get("site", "")))
        provider = ready.provider.by(str(job.payload.get("auth_mode", "oauth2_code")))
        asking = registration_of(
            provider, ready.registration, tokens.access_token, tokens.refresh_token
        )
        request = ending.revocation_request(
            provider,
            asking,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
        )
        if request is None:
            return "not_offered"
        said = await self.outbound.send(request)
        ending.read_revocation(provider, said, self.clock.now())
        return "revoked"

    async def _later(self, job: Job, error: ProviderError) -> Outcome:
        _log.warning(
            "provider_grant.not_yet_revoked",
            job=job.id,
            provider=job.payload["provider_id"],
            error=error.code,
            detail=error.detail,
        )
        now = self.clock.now()
        age = now - job.created_at
        if age > PATIENCE_MS:
            return await self._give_up(job, error.code)
        if error.retry_after is not None:
            return Reschedule(now + int(error.retry_after * 1000) + SHORTEST_MS, held=True)
        spread = int(self.mint.digits(4)) / 10_000
        pause = min(max(age, SHORTEST_MS), LONGEST_MS)
        return Reschedule(now + int(pause * (1 + spread) / 2))

    async def _give_up(self, job: Job, error: str) -> Outcome:
        await self._tell(job, "provider_grant.revocation_failed", {"error": error})
        return Failed(error, final=True)

    async def _tell(self, job: Job, type: Told, detail: dict[str, str]) -> None:
        """Say how it ended, and wipe the secret."""
        ref, event_id, now = job_ref(job), self.mint.id("evt"), self.clock.now()

        def decide(facts: Facts) -> Done[bool]:
            row = facts.get(ref)
            if row is None or "sealed" not in row.payload:
                return Done(False)
            payload = {name: value for name, value in row.payload.items() if name != "sealed"}
            record = event(
                event_id,
                now,
                job.tenant_id,
                type,
                actor="system",
                user_id=payload.get("user_id"),
                subject=payload.get("connection_id"),
                detail={"provider": payload.get("provider_id"), **detail},
            )
            return Done(True, (Update(ref, {"payload": payload}), Insert(record)))

        await self.store.run((ref,), decide)
        _log.info(type, job=job.id, provider=job.payload["provider_id"], **detail)
