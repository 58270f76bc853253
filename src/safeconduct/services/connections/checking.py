"""Tries again what a connection lives on, where nothing else would notice that it was taken back:
what does not age, of an account from which nothing is fetched.

    every day ──────┐
    401 to a caller ┴▶ identity ─┬▶ whose it was: well, until tomorrow
                                 ├▶ 401: degraded; once more in half a minute, then needs_reauth
                                 └▶ anything else: says nothing of it, later
"""

import structlog

from safeconduct.core import jobs
from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.credential_checks import accepted, disowned
from safeconduct.core.credentials import CONFIRM_MS, credential_ref
from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import Connection, Job
from safeconduct.core.unit import Done, Facts
from safeconduct.core.upstream import flow
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.connections.attach import CHECK_EVERY_MS, CHECK_JOB, TYPED
from safeconduct.services.connections.refresh import LiveCredential, Refresh

LATER_MS = 3_600_000

_log = structlog.get_logger(__name__)


class Checking:
    def __init__(
        self, *, store: Store, credentials: Refresh, outbound: Outbound, clock: Clock, mint: Mint
    ) -> None:
        self.store, self.credentials, self.outbound = store, credentials, outbound
        self.clock, self.mint = clock, mint

    async def soon(self, row: Connection) -> None:
        """Somebody was refused with this credential: look now."""
        find, id = jobs.open_job(row.tenant_id, CHECK_JOB, row.id), self.mint.id("job")
        now, payload = self.clock.now(), {"provider_id": row.provider_id}

        def decide(facts: Facts) -> Done[None]:
            found = facts.all(find)
            return Done(None, jobs.soon(found, id, row.tenant_id, CHECK_JOB, row.id, now, payload))

        await self.store.run((find,), decide)

    async def run(self, job: Job) -> Outcome:
        row = await self.store.get(connection_ref(job.tenant_id, job.subject))
        if row is None or not is_live(row):
            return None
        if row.status == "needs_reauth":
            return Reschedule(self.clock.now() + CHECK_EVERY_MS)
        try:
            live = await self.credentials.credential(row.tenant_id, row.id)
            ages = live.expires_at is not None and row.auth_mode not in TYPED
            if ages or live.provider.identity is None:
                return None  # it was linked in another way meanwhile, and others look after it
            taken = await self._taken(live)
        except ProviderError as error:
            wait = LATER_MS if error.retry_after is None else int(error.retry_after * 1000)
            return Reschedule(self.clock.now() + wait, held=error.retry_after is not None)
        settled = await self._settle(live, taken=taken)
        _log.info("credential.checked", connection=row.id, taken=taken, status=settled)
        again = CHECK_EVERY_MS if taken or settled == "needs_reauth" else CONFIRM_MS
        return Reschedule(self.clock.now() + again)

    async def _taken(self, live: LiveCredential) -> bool:
        """Whether the provider still knows whose it is. `ProviderError` where that stays open."""
        request = flow.identity_request(
            live.provider, live.registration, access_token=live.access_token
        )
        assert request is not None
        said = await self.outbound.send(request)
        if said.status == 401:
            return False
        account = flow.read_identity(
            live.provider, said.status, said.headers, said.body, self.clock.now()
        )
        return account.id == live.connection.account_key

    async def _settle(self, live: LiveCredential, *, taken: bool) -> str | None:
        """What came of it, unless the credential is another by now."""
        tenant_id, id = live.connection.tenant_id, live.connection.id
        owner, secret = connection_ref(tenant_id, id), credential_ref(tenant_id, id)
        event_id, now = self.mint.id("evt"), self.clock.now()

        def decide(facts: Facts) -> Done[str | None]:
            row, held = facts.get(owner), facts.get(secret)
            if row is None or held is None or held.version != live.version:
                return Done(None)
            judge = accepted if taken else disowned
            after, writes = judge(row, event_id=event_id, now=now)
            return Done(after, writes)

        return (await self.store.run((owner, secret), decide)).answer
