"""Managed users: made under a client, listed, changed and removed by it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from safeconduct.core.consent import grant_of
from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.events import event
from safeconduct.core.identifiers import Address
from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.managed_users import (
    Pair,
    block_ref,
    blocks_of,
    last_block,
    managed_ref,
    one_less,
    one_more,
    place_of,
    profile_of,
    stored_address,
    username_of,
)
from safeconduct.core.model import (
    Client,
    Identifier,
    Job,
    ManagedUser,
    TenantId,
    User,
)
from safeconduct.core.revocation import ended, managed_ended, not_before
from safeconduct.core.second_factor import forgotten
from safeconduct.core.unit import (
    Delete,
    DeleteAll,
    Done,
    Facts,
    Find,
    Insert,
    Update,
    Write,
)
from safeconduct.core.users import Numbering, identifier_ref, new_user, user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.connections import Connections, Disconnect
from safeconduct.services.known_clients import client_ref
from safeconduct.services.managed_tokens import ManagedTokens, found_by, stranger, unattended

BATCH = 50
TOGETHER = 64  # people in one look


class ManagedUsers:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        mint: Mint,
        tokens: ManagedTokens,
        connections: Connections,
        disconnect: Disconnect,
    ) -> None:
        self.store, self.clock, self.mint, self.tokens = store, clock, mint, tokens
        self.connections, self.disconnect = connections, disconnect

    async def create(
        self, client: Client, email: str, name: str, profile: Mapping[str, Any]
    ) -> tuple[ManagedUser, User, Pair]:
        """409 when this client has a user of that address; the title names whom. The client is
        locked: one that is deleted meanwhile takes its users along.
        """
        address, numbering = stored_address(email, client.id), Numbering(client.tenant_id)
        named, make = identifier_ref(client.tenant_id, address), self.tokens.making(client)
        ids = (self.mint.id("usr"), self.mint.id("evt"))
        who = unattended(client.tenant_id, ids[0], make.now)
        grants, app = grant_of(client, who), client_ref(client.tenant_id, client.id)
        counted = last_block(client.tenant_id, client.id)

        def decide(facts: Facts) -> Done[tuple[ManagedUser, User, str] | str | ApiError]:
            if facts.get(app) is None:
                return Done(not_found("client"))
            taken = facts.get(named)
            if taken is not None:
                return Done(taken.user_id)
            user, writes = new_user(
                client.tenant_id,
                ids,
                address,
                numbering.after(facts.all(numbering.last)),
                make.now,
                type="user.created",
                actor=f"client:{client.id}",
                name=name,
                verified=False,
            )
            row = ManagedUser(
                tenant_id=client.tenant_id,
                user_id=user.id,
                client_id=client.id,
                number=user.number,
                email=address.value,
                asked_email=email.strip().lower(),
                username=username_of(email),
                profile=dict(profile),
                created_at=make.now,
                updated_at=make.now,
            )
            text, given = self.tokens.code(client, who, None, make)
            more = one_more(client.tenant_id, client.id, user.number, facts.all(counted))
            return Done((row, user, text), (*writes, Insert(row), more, *given))

        reads = (app, numbering.anchor, numbering.last, named, grants, counted)
        made = (await self.store.run(reads, decide)).answer
        if isinstance(made, ApiError):
            raise made
        if isinstance(made, str):
            raise await self._taken(client.tenant_id, made)
        row, user, code = made
        return row, user, await self.tokens.redeem(client, code, user.number)

    async def _taken(self, tenant_id: TenantId, user_id: str) -> ApiError:
        user = await self.store.get(user_ref(tenant_id, user_id))
        number = user.number if user else 0
        return ApiError(409, "email_taken", f"address is taken by managed user {number}")

    async def list(
        self, client: Client, *, emails: tuple[str, ...] = (), limit: int = 50, offset: int = 0
    ) -> Sequence[tuple[ManagedUser, User]]:
        """By number. Addresses are those that were given, or as they are stored."""
        if emails:
            rows = (await self._of_emails(client, emails))[offset : offset + limit]
        else:
            rows = await self._window(client, limit, offset)
        return await self._with_people(client, rows)

    async def page(
        self, client: Client, after: int | None, limit: int
    ) -> Sequence[tuple[ManagedUser, User]]:
        """By number, behind a number."""
        return await self._with_people(client, await self._behind(client, after, limit))

    async def _with_people(
        self, client: Client, rows: Sequence[ManagedUser]
    ) -> Sequence[tuple[ManagedUser, User]]:
        people: dict[str, User] = {}
        for start in range(0, len(rows), TOGETHER):
            ids = tuple(row.user_id for row in rows[start : start + TOGETHER])
            where, among = {"tenant_id": client.tenant_id}, {"id": ids}
            found = await self.store.find(Find(User, where, among=among, limit=len(ids)))
            people |= {person.id: person for person in found}
        return [(row, people[row.user_id]) for row in rows if row.user_id in people]

    async def _window(self, client: Client, limit: int, offset: int) -> Sequence[ManagedUser]:
        """Rows behind an offset."""
        if not offset:
            return await self._behind(client, None, limit)
        blocks = await self.store.find(blocks_of(client.tenant_id, client.id))
        place = place_of(blocks, offset)
        if place is None:
            return ()
        first, passed = place
        return (await self._behind(client, first - 1, passed + limit))[passed:]

    async def _behind(self, client: Client, after: int | None, limit: int) -> Sequence[ManagedUser]:
        where = {"tenant_id": client.tenant_id, "client_id": client.id}
        place = None if after is None else (after,)
        return await self.store.find(
            Find(ManagedUser, where, order=("number",), after=place, limit=limit)
        )

    async def _of_emails(self, client: Client, emails: tuple[str, ...]) -> Sequence[ManagedUser]:
        wanted: dict[str, ManagedUser] = {}
        for email in emails:
            for address in _spellings(email, client.id):
                named = await self.store.get(identifier_ref(client.tenant_id, address))
                row = await self.of(client.tenant_id, named.user_id) if named else None
                if row is not None and row.client_id == client.id:
                    wanted[row.user_id] = row
        return sorted(wanted.values(), key=lambda row: row.number)

    async def get(self, client: Client, number: int) -> tuple[ManagedUser, User]:
        """404 for anybody who is not this client's."""
        return await self._whole(await found_by(self.store, client, number))

    async def of(self, tenant_id: TenantId, user_id: str) -> ManagedUser | None:
        return await self.store.get(managed_ref(tenant_id, user_id))

    async def _whole(self, row: ManagedUser) -> tuple[ManagedUser, User]:
        user = await self.store.get(user_ref(row.tenant_id, row.user_id))
        if user is None:
            raise stranger(row.number)
        return row, user

    async def update(
        self,
        client: Client,
        number: int,
        *,
        email: str | None = None,
        name: str | None = None,
        profile: Mapping[str, Any],
    ) -> tuple[ManagedUser, User]:
        """A new address changes the username, too."""
        known, _ = await self.get(client, number)
        mine, person = (
            managed_ref(client.tenant_id, known.user_id),
            user_ref(client.tenant_id, known.user_id),
        )
        old = identifier_ref(client.tenant_id, Address("email", known.email))
        address = stored_address(email, client.id) if email is not None else None
        new = identifier_ref(client.tenant_id, address) if address else old
        now, event_id = self.clock.now(), self.mint.id("evt")

        def decide(facts: Facts) -> Done[tuple[ManagedUser, User] | ApiError]:
            row, user = facts.get(mine), facts.get(person)
            if row is None or user is None:
                return Done(stranger(number))
            writes: list[Write] = []
            after = replace(row, profile=profile_of(row.profile, profile), updated_at=now)
            if email is not None and address is not None and address.value != row.email:
                taken = facts.get(new)
                if taken is not None:
                    title = "address is taken by another user"
                    return Done(ApiError(409, "email_taken", title, field="email"))
                after = replace(
                    after,
                    email=address.value,
                    asked_email=email.strip().lower(),
                    username=username_of(email),
                )
                writes += [Delete(old), Insert(_identifier(after, now))]
            columns = {
                column: getattr(after, column)
                for column in ("email", "asked_email", "username", "profile", "updated_at")
            }
            told = event(
                event_id, now, client.tenant_id, "user.updated",
                actor=f"client:{client.id}", client_id=client.id, user_id=user.id, subject=user.id,
            )  # fmt: skip
            writes += [Update(mine, columns), Insert(told)]
            if name is not None:
                user = replace(user, name=name, updated_at=now)
                writes.append(Update(person, {"name": name, "updated_at": now}))
            return Done((after, user), writes)

        done = (await self.store.run((mine, person, old, new), decide)).answer
        if isinstance(done, ApiError):
            raise done
        return done

    async def delete(self, client: Client, number: int) -> tuple[ManagedUser, User]:
        """The user with all tokens and connections; as they were."""
        row, user = await self.get(client, number)
        if not await self._remove(row, actor=f"client:{client.id}"):
            raise stranger(number)
        return row, user

    async def orphaned(self, job: Job) -> Outcome:
        """Remove the users of a client that is gone; comes back until none is left."""
        rows = await self.store.find(managed_ended(job.tenant_id, job.subject, limit=BATCH))
        for row in rows:
            await self._remove(row, actor="system")
        return Reschedule(self.clock.now()) if len(rows) == BATCH else None

    async def _remove(self, row: ManagedUser, *, actor: str) -> bool:
        """False for somebody who is gone already. Their accounts elsewhere are unlinked first, so
        that a turn that was cut short is taken up where it stopped.
        """
        mine, person = managed_ref(row.tenant_id, row.user_id), user_ref(row.tenant_id, row.user_id)
        named = identifier_ref(row.tenant_id, Address("email", row.email))
        block = block_ref(row.tenant_id, row.client_id, row.number)
        now, event_id = self.clock.now(), self.mint.id("evt")

        def decide(facts: Facts) -> Done[bool]:
            found = facts.get(person)
            if facts.get(mine) is None or found is None:
                return Done(False)
            told = event(
                event_id, now, row.tenant_id, "user.deleted",
                actor=actor, client_id=row.client_id, user_id=found.id, subject=found.id,
            )  # fmt: skip
            gone: dict[str, Any] = {
                "status": "deleted",
                "name": None,
                "profile": {},
                "password_hash": None,
                "not_before": not_before(now, found.not_before),
                "updated_at": now,
            }
            ends = ended("user.deleted", row.tenant_id, found.id, now, "user deleted")
            ends += forgotten(row.tenant_id, found.id)
            less = one_less(block, facts.get(block))
            theirs = {"tenant_id": row.tenant_id, "user_id": found.id}
            names = DeleteAll(Identifier, theirs)  # those that they added themselves, too
            here = (Delete(mine), names, Update(person, gone), *less)
            return Done(True, (*here, *ends, Insert(told)))

        await self._unlink(row, actor)
        removed = (await self.store.run((mine, person, named, block), decide)).answer
        await self._unlink(row, actor)  # what was linked in between
        return removed

    async def _unlink(self, row: ManagedUser, actor: str) -> None:
        for connection in await self.connections.of_user(row.tenant_id, row.user_id):
            with suppress(ApiError):  # somebody was quicker
                await self.disconnect.delete(row.tenant_id, connection.id, actor=actor)


def _identifier(row: ManagedUser, now: int) -> Identifier:
    return Identifier(
        tenant_id=row.tenant_id,
        kind="email",
        value=row.email,
        user_id=row.user_id,
        verified_at=None,
        created_at=now,
    )


def _spellings(email: str, client_id: str) -> list[Address]:
    found = [Address("email", email.strip().lower())]
    with suppress(ApiError):  # what is no address is nobody's
        found.append(stored_address(email, client_id))
    return found
