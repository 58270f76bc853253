"""Apps that a user or a team uses: connected by signing in at a provider, or simply switched on.

    start ──▶ browser at the provider ──▶ finish ──▶ connection + installed app

A connection belongs to the user who made it. Several owners may use one (a person and the team),
and it ends with the last of them.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from safeconduct.core.connections import is_live
from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Attempt, Connection, Event, InstalledApp, TenantId
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.core.users import Numbering
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.connections import (
    Complete,
    Completed,
    Connections,
    Disconnect,
    Returning,
    Start,
    Starter,
)

CATEGORY = "conferencing"
MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a browser goes after the provider, and for whom it went there."""

    owner: str
    good: str
    bad: str

    def encode(self) -> str:
        return json.dumps([self.owner, self.good, self.bad])

    @classmethod
    def decode(cls, text: str | None) -> "Way":
        owner, good, bad = json.loads(text or "null")
        return cls(owner=owner, good=good, bad=bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose app it is: a user's own, or a team's, installed by a user."""

    tenant_id: TenantId
    id: str
    user_id: str
    client_id: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class Installed:
    """An app and the connection behind it; None for one that needs none."""

    row: InstalledApp
    connection: Connection | None = field(default=None)

    @property
    def works(self) -> bool:
        return self.connection is None or self.connection.status != "needs_reauth"


class Apps:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        mint: Mint,
        catalog: Catalog,
        start: Start,
        complete: Complete,
        connections: Connections,
        disconnect: Disconnect,
    ) -> None:
        self.store, self.clock, self.mint, self.catalog = store, clock, mint, catalog
        self.starting, self.completing = start, complete
        self.connections, self.disconnects = connections, disconnect

    async def list(self, owner: Owner) -> Sequence[Installed]:
        """Those that can be used or repaired; one whose connection has ended is none."""
        where = {"tenant_id": owner.tenant_id, "owner": owner.id}
        found: list[Installed] = []
        for row in await self.store.find(Find(InstalledApp, where, order=("app",), limit=MOST)):
            one = await self._with_connection(row)
            if one is not None:
                found.append(one)
        return found

    async def get(self, owner: Owner, app: str) -> Installed | None:
        row = await self.store.get(_ref(owner, app))
        return None if row is None else await self._with_connection(row)

    async def _with_connection(self, row: InstalledApp) -> Installed | None:
        if row.connection_id is None:
            return Installed(row)
        ref = Ref(Connection, tenant_id=row.tenant_id, id=row.connection_id)
        connection = await self.store.get(ref)
        return Installed(row, connection) if connection and is_live(connection) else None

    # Connecting

    async def install(self, owner: Owner, app: str) -> Installed:
        """Switch on an app that needs no sign-in of its own; once more is no change."""
        self._known(app)
        row = await self._write(owner, app, None)
        return Installed(row)

    async def start(self, owner: Owner, app: str, way: Way, landing: str) -> str:
        """Where to send the browser."""
        self._known(app)
        who = Starter(
            tenant_id=owner.tenant_id,
            user_id=owner.user_id,
            client_id=owner.client_id,
            return_to=way.encode(),
            landing=landing,
        )
        return (await self.starting.start(who, app)).redirect_url

    async def pending(self, app: str, state: str) -> Attempt:
        """The attempt of a `state`; 400 for any that was not begun here."""
        attempt = await self.completing.attempt(None, state)
        if attempt is None or attempt.mode != "surface" or attempt.provider_id != app:
            raise bad_request("invalid_state", "state is not valid", field="state")
        return attempt

    async def finish(self, attempt: Attempt, state: str, params: Sequence[tuple[str, str]]) -> bool:
        """Whether the app is connected now. `ApiError` 400 for a state that was used."""
        outcome = await self.completing.complete(
            Returning(
                tenant_id=attempt.tenant_id,
                mode="surface",
                user_id=attempt.user_id,
                client_id=attempt.client_id,
                provider_id=attempt.provider_id,
                state=state,
                params=params,
            )
        )
        if not isinstance(outcome, Completed):
            return False
        owner = Owner(
            tenant_id=attempt.tenant_id,
            id=Way.decode(attempt.return_to).owner,
            user_id=attempt.user_id,
            client_id=attempt.client_id or None,
            actor=f"user:{attempt.user_id}",
        )
        await self._write(owner, attempt.provider_id, outcome.connection.id)
        return True

    def _known(self, app: str) -> None:
        entry = self.catalog.get(app)
        if entry is None or entry.category != CATEGORY:
            raise bad_request("unknown_app", "there is no such app")

    async def _write(self, owner: Owner, app: str, connection_id: str | None) -> InstalledApp:
        ref, numbering = _ref(owner, app), Numbering(owner.tenant_id, InstalledApp)
        told, now = self._event(owner, "app.installed", app), self.clock.now()

        def decide(facts: Facts) -> Done[InstalledApp]:
            known = facts.get(ref)
            if known is not None and connection_id in (None, known.connection_id):
                return Done(known)
            number = known.number if known else numbering.after(facts.all(numbering.last))
            row = InstalledApp(
                tenant_id=owner.tenant_id,
                owner=owner.id,
                app=app,
                number=number,
                user_id=owner.user_id,
                connection_id=connection_id,
                is_default=known.is_default if known else False,
                created_at=now,
            )
            columns = {"connection_id": connection_id, "user_id": owner.user_id}
            return Done(row, (Update(ref, columns) if known else Insert(row), Insert(told)))

        return (await self.store.run((numbering.anchor, numbering.last, ref), decide)).answer

    # Choosing, and taking away

    async def choose(self, owner: Owner, app: str, *, built_in: bool = False) -> None:
        """Make an app the one that is used. What is built in needs no connecting first."""
        if not built_in and await self.get(owner, app) is None:
            raise bad_request("not_connected", "the app is not connected")
        where = {"tenant_id": owner.tenant_id, "owner": owner.id}
        mine = Find(InstalledApp, where, order=("app",), limit=MOST)
        numbering = Numbering(owner.tenant_id, InstalledApp)
        told, now = self._event(owner, "app.chosen", app), self.clock.now()

        def decide(facts: Facts) -> Done[None]:
            rows = facts.all(mine)
            writes: list[Write] = [
                Update(_ref(owner, row.app), {"is_default": row.app == app})
                for row in rows
                if row.is_default != (row.app == app)
            ]
            if built_in and all(row.app != app for row in rows):
                number = numbering.after(facts.all(numbering.last))
                writes.append(Insert(_built_in(owner, app, number, now)))
            return Done(None, (*writes, Insert(told)) if writes else ())

        await self.store.run((numbering.anchor, numbering.last, mine), decide)

    async def default(self, owner: Owner) -> str | None:
        found = await self.list(owner)
        return next((one.row.app for one in found if one.row.is_default), None)

    async def remove(self, owner: Owner, app: str) -> None:
        """Disconnect. The connection ends, unless another owner uses it as well."""
        ref = _ref(owner, app)
        if await self.get(owner, app) is None:
            raise bad_request("not_connected", "the app is not connected")
        told = self._event(owner, "app.removed", app)

        def decide(facts: Facts) -> Done[InstalledApp | None]:
            row = facts.get(ref)
            return Done(row, (Delete(ref), Insert(told)) if row else ())

        row = (await self.store.run((ref,), decide)).answer
        if row is not None and row.connection_id is not None:
            await self._release(row, owner.actor)

    async def _release(self, row: InstalledApp, actor: str) -> None:
        where = {"tenant_id": row.tenant_id, "connection_id": row.connection_id}
        if await self.store.find(Find(InstalledApp, where, limit=1)):
            return
        with suppress(ApiError):  # it may have ended a moment ago
            await self.disconnects.delete(row.tenant_id, row.connection_id or "", actor=actor)

    def _event(self, owner: Owner, type: EventType, app: str) -> Event:
        return event(
            self.mint.id("evt"),
            self.clock.now(),
            owner.tenant_id,
            type,
            actor=owner.actor,
            client_id=owner.client_id,
            user_id=owner.user_id,
            subject=owner.id,
            detail={"app": app},
        )


def _ref(owner: Owner, app: str) -> Ref[InstalledApp]:
    return Ref(InstalledApp, tenant_id=owner.tenant_id, owner=owner.id, app=app)


def _built_in(owner: Owner, app: str, number: int, now: int) -> InstalledApp:
    return InstalledApp(
        tenant_id=owner.tenant_id,
        owner=owner.id,
        app=app,
        number=number,
        user_id=owner.user_id,
        connection_id=None,
        is_default=True,
        created_at=now,
    )
