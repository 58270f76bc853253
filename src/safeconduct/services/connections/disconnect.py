"""End a connection: the secret goes in the same unit of work, the provider is told afterwards.

Deleted stays deleted. Whoever is refreshing at this moment finds neither connection nor credential
when it wants to write, and gives back what it got.
"""

import structlog

from safeconduct.core.connections import connection_ref, is_live, moved, tell
from safeconduct.core.credentials import credential_ref
from safeconduct.core.errors import not_found
from safeconduct.core.jobs import job
from safeconduct.core.model import Connection, Credential, Job, TenantId
from safeconduct.core.unit import Delete, Done, Facts, Insert, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Unsealable
from safeconduct.ports.store import Store
from safeconduct.services.connections.giving_back import revoke_job
from safeconduct.services.vault import Vault

ERASE_JOB = "data.erase"

_log = structlog.get_logger(__name__)


class Disconnect:
    def __init__(self, *, store: Store, vault: Vault, clock: Clock, mint: Mint) -> None:
        self.store, self.vault, self.clock, self.mint = store, vault, clock, mint

    async def delete(
        self, tenant_id: TenantId, connection_id: str, *, actor: str, user_id: str | None = None
    ) -> Connection:
        """The user's word. With `user_id`, only a connection of this user; 404 for any other."""
        return await self._end(tenant_id, connection_id, actor, user_id, by_user=True)

    async def revoke(self, tenant_id: TenantId, connection_id: str, *, actor: str) -> Connection:
        """An administrator's word."""
        return await self._end(tenant_id, connection_id, actor, None, by_user=False)

    async def _end(
        self,
        tenant_id: TenantId,
        connection_id: str,
        actor: str,
        user_id: str | None,
        *,
        by_user: bool,
    ) -> Connection:
        owner, secret = (
            connection_ref(tenant_id, connection_id),
            credential_ref(tenant_id, connection_id),
        )
        while True:
            # Sealed for the job outside the unit, which holds locks; then it must be the same.
            seen = await self.store.facts((owner, secret))
            connection, credential = seen.get(owner), seen.get(secret)
            if connection is None or not _theirs(connection, user_id):
                raise not_found("connection")
            back = await self._given_back(connection, credential)
            event_id, now = self.mint.id("evt"), self.clock.now()

            def decide(
                facts: Facts,
                known: Credential | None = credential,
                back: Job | None = back,
                event_id: str = event_id,
                now: int = now,
            ) -> Done[Connection | None]:
                row, found = facts.get(owner), facts.get(secret)
                if row is None or not _theirs(row, user_id):
                    raise not_found("connection")
                if (found and found.version) != (known and known.version):
                    return Done(None)
                told = moved(
                    row,
                    "deleted" if by_user else "revoked",
                    event_id=event_id,
                    now=now,
                    actor=actor,
                )
                # What it gave is not served from now on; it is erased by a job of its own.
                erase = job(self.mint.id("job"), tenant_id, ERASE_JOB, connection_id, now)
                writes: list[Write] = [*tell(row, [told]), Delete(secret), Insert(erase)]
                if back is not None:
                    writes.append(Insert(back))
                return Done(told.row, writes)

            ended = (await self.store.run((owner, secret), decide)).answer
            if ended is not None:
                _log.info("connection.ended", connection=connection_id, status=ended.status)
                return ended

    async def _given_back(
        self, connection: Connection, credential: Credential | None
    ) -> Job | None:
        if credential is None:
            return None
        try:
            tokens = await self.vault.open_tokens(
                credential.tenant_id, credential.connection_id, credential.sealed
            )
        except Unsealable:
            _log.error("credential.unreadable", connection=connection.id)
            return None
        return revoke_job(
            self.vault,
            self.mint,
            connection.tenant_id,
            connection.provider_id,
            connection.id,
            connection.user_id,
            connection.auth_mode,
            tokens,
            self.clock.now(),
            site=connection.site,
        )


def _theirs(connection: Connection, user_id: str | None) -> bool:
    return is_live(connection) and user_id in (None, connection.user_id)
