"""Members and teams of a tenant, which is an organisation to those who know the word."""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Event, InstalledApp, Membership, Team, Tenant, TenantId
from safeconduct.core.organizations import (
    MANAGING,
    ORGANIZATION,
    ROLES,
    membership_ref,
    role_of,
)
from safeconduct.core.slugs import slug_of
from safeconduct.core.unit import Delete, DeleteAll, Done, Facts, Find, Insert, Ref, Update
from safeconduct.core.users import Numbering, user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store

MAX_NAME = 100
MOST = 1_000


class Organizations:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint) -> None:
        self.store, self.clock, self.mint = store, clock, mint

    async def number(self, tenant_id: TenantId) -> int:
        """The organisation's integer id."""
        row = await self.store.get(Ref(Tenant, tenant_id=tenant_id))
        if row is None:
            raise not_found("organization")
        return row.number

    # Members

    async def role(
        self, tenant_id: TenantId, user_id: str, team_id: str = ORGANIZATION
    ) -> str | None:
        """The accepted role in the organisation, or in a team; None for who has none."""
        user, membership = user_ref(tenant_id, user_id), membership_ref(tenant_id, team_id, user_id)
        facts = await self.store.facts((user, membership))
        if team_id == ORGANIZATION:
            return role_of(facts.get(user), facts.get(membership))
        person, found = facts.get(user), facts.get(membership)
        if person is None or person.status != "active" or found is None:
            return None
        return found.role if found.accepted_at is not None else None

    async def manages(self, tenant_id: TenantId, user_id: str, team_id: str) -> bool:
        """Whether a user may act for a team: as its administrator, or the organisation's."""
        for place in (team_id, ORGANIZATION):
            if await self.role(tenant_id, user_id, place) in MANAGING:
                return True
        return False

    async def members(
        self,
        tenant_id: TenantId,
        team_id: str = ORGANIZATION,
        *,
        after: str | None = None,
        limit: int = MOST,
    ) -> tuple[Membership, ...]:
        """By user; `after` is the id of the last one seen."""
        where = {"tenant_id": tenant_id, "team_id": team_id}
        behind = None if after is None else (after,)
        return await self.store.find(
            Find(Membership, where, order=("user_id",), after=behind, limit=limit)
        )

    async def set_member(
        self,
        tenant_id: TenantId,
        user_id: str,
        role: str,
        *,
        actor: str,
        team_id: str = ORGANIZATION,
        accepted: bool = True,
        keep: bool = False,
    ) -> Membership:
        """Make somebody a member, or give them another role. `keep` leaves a member as they are."""
        if role not in ROLES:
            raise bad_request("invalid_role", f"role is one of {', '.join(ROLES)}.", field="role")
        user, mine = user_ref(tenant_id, user_id), membership_ref(tenant_id, team_id, user_id)
        team = Ref(Team, tenant_id=tenant_id, id=team_id)
        now = self.clock.now()
        told = self._event(tenant_id, "member.set", user_id, actor, {"team": team_id, "role": role})

        def decide(facts: Facts) -> Done[Membership | ApiError]:
            if facts.get(user) is None:
                return Done(not_found("user"))
            if team_id != ORGANIZATION and facts.get(team) is None:
                return Done(not_found("team"))
            known = facts.get(mine)
            if known is not None and keep:
                return Done(known)
            row = Membership(
                tenant_id=tenant_id,
                team_id=team_id,
                user_id=user_id,
                role=role,
                accepted_at=now if accepted else None,
                created_at=known.created_at if known else now,
            )
            columns = {"role": row.role, "accepted_at": row.accepted_at}
            write = Update(mine, columns) if known else Insert(row)
            return Done(row, (write, Insert(told)))

        made = (await self.store.run((user, mine, team), decide)).answer
        if isinstance(made, ApiError):
            raise made
        return made

    async def remove_member(
        self, tenant_id: TenantId, user_id: str, *, actor: str, team_id: str = ORGANIZATION
    ) -> None:
        mine = membership_ref(tenant_id, team_id, user_id)
        told = self._event(tenant_id, "member.removed", user_id, actor, {"team": team_id})

        def decide(facts: Facts) -> Done[bool]:
            if facts.get(mine) is None:
                return Done(False)
            return Done(True, (Delete(mine), Insert(told)))

        if not (await self.store.run((mine,), decide)).answer:
            raise not_found("member")

    # Teams

    async def create_team(
        self, tenant_id: TenantId, name: str, *, actor: str, slug: str | None = None
    ) -> Team:
        """409 when the slug is taken."""
        shown = display_name(name, MAX_NAME)
        if not shown:
            raise bad_request("invalid_name", "A team has a name.", field="name")
        chosen, now = slug_of(slug or shown), self.clock.now()
        if not chosen:
            raise bad_request("invalid_slug", "A slug is letters, digits, hyphens.", field="slug")
        numbering = Numbering(tenant_id, Team)
        twin = Find(Team, {"tenant_id": tenant_id, "slug": chosen}, limit=1)
        id = self.mint.id("team")
        told = self._event(tenant_id, "team.created", id, actor, {"slug": chosen})

        def decide(facts: Facts) -> Done[Team | ApiError]:
            if facts.all(twin):
                return Done(ApiError(409, "slug_taken", "Another team has this slug."))
            row = Team(
                tenant_id=tenant_id,
                id=id,
                number=numbering.after(facts.all(numbering.last)),
                name=shown,
                slug=chosen,
                created_at=now,
                updated_at=now,
            )
            return Done(row, (Insert(row), Insert(told)))

        made = (await self.store.run((numbering.anchor, numbering.last, twin), decide)).answer
        if isinstance(made, ApiError):
            raise made
        return made

    async def teams(
        self, tenant_id: TenantId, *, after: int | None = None, limit: int = MOST
    ) -> tuple[Team, ...]:
        """By number; `after` is the one of the last seen."""
        behind = None if after is None else (after,)
        where = {"tenant_id": tenant_id}
        return await self.store.find(
            Find(Team, where, order=("number",), after=behind, limit=limit)
        )

    async def team(self, tenant_id: TenantId, team_id: str) -> Team:
        row = await self.store.get(Ref(Team, tenant_id=tenant_id, id=team_id))
        if row is None:
            raise not_found("team")
        return row

    async def find_team(
        self, tenant_id: TenantId, *, number: int | None = None, slug: str | None = None
    ) -> Team | None:
        """By its integer id, or by its slug."""
        name, value = ("number", number) if slug is None else ("slug", slug)
        found = Find(Team, {"tenant_id": tenant_id, name: value}, limit=1)
        return next(iter(await self.store.find(found)), None)

    async def delete_team(self, tenant_id: TenantId, team_id: str, *, actor: str) -> None:
        """The team with its memberships and apps; connections stay with who made them."""
        ref = Ref(Team, tenant_id=tenant_id, id=team_id)
        told = self._event(tenant_id, "team.deleted", team_id, actor, {})

        def decide(facts: Facts) -> Done[bool]:
            if facts.get(ref) is None:
                return Done(False)
            members = DeleteAll(Membership, {"tenant_id": tenant_id, "team_id": team_id})
            apps = DeleteAll(InstalledApp, {"tenant_id": tenant_id, "owner": team_id})
            return Done(True, (Delete(ref), members, apps, Insert(told)))

        if not (await self.store.run((ref,), decide)).answer:
            raise not_found("team")

    def _event(
        self,
        tenant_id: TenantId,
        type: EventType,
        subject: str,
        actor: str,
        detail: Mapping[str, Any],
    ) -> Event:
        return event(
            self.mint.id("evt"),
            self.clock.now(),
            tenant_id,
            type,
            actor=actor,
            user_id=subject if type.startswith("member.") else None,
            subject=subject,
            detail=detail,
        )
