"""Users: made by an operator, found by what they sign in with, disabled, enabled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.identifiers import Address, in_order, parse_identifier
from safeconduct.core.model import Identifier, TenantId, User
from safeconduct.core.profile import changed_profile
from safeconduct.core.revocation import ended, not_before
from safeconduct.core.secret import Secret
from safeconduct.core.security_mail import Telling, What
from safeconduct.core.sessions import farewell_to_user
from safeconduct.core.unit import Done, Facts, Find, Insert, Update
from safeconduct.core.users import (
    NOTHING,
    Numbering,
    identifier_ref,
    identifiers_of,
    new_user,
    user_ref,
)
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.passwords import Passwords
from safeconduct.ports.store import Store

MAX_NAME = 200


class Users:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint, passwords: Passwords) -> None:
        self.store, self.clock, self.mint, self.passwords = store, clock, mint, passwords

    async def create(
        self,
        tenant_id: TenantId,
        identifier: str,
        *,
        actor: str,
        password: Secret | None = None,
        name: str | None = None,
        profile: Mapping[str, Any] = NOTHING,
        role: str = "user",
        verified: bool = True,
        more: Sequence[str] = (),
    ) -> User:
        """A new user with an e-mail address or phone number, or `more`. 409 when one is taken."""
        called, known = _name(name), changed_profile({}, profile)
        address, others = _address(identifier), [_address(one) for one in more]
        hashed = await self.passwords.hash(password) if password is not None else None
        ids, now = (self.mint.id("usr"), self.mint.id("evt")), self.clock.now()
        numbering = Numbering(tenant_id)
        named = [identifier_ref(tenant_id, one) for one in (address, *others)]

        def decide(facts: Facts) -> Done[User | None]:
            if any(facts.get(ref) is not None for ref in named):
                return Done(None)
            user, writes = new_user(
                tenant_id,
                ids,
                address,
                numbering.after(facts.all(numbering.last)),
                now,
                type="user.created",
                actor=actor,
                role=role,
                name=called,
                profile=known,
                password_hash=hashed,
                verified=verified,
                more=others,
            )
            return Done(user, writes)

        verdict = await self.store.run((numbering.anchor, *named, numbering.last), decide)
        if verdict.answer is None:
            raise ApiError(409, "identifier_taken", "Another user signs in with this.")
        return verdict.answer

    async def get(self, tenant_id: TenantId, user_id: str) -> User | None:
        return await self.store.get(user_ref(tenant_id, user_id))

    async def find(self, tenant_id: TenantId, identifier: str) -> User | None:
        """Who signs in with this e-mail address or phone number."""
        address = parse_identifier(identifier)
        if address is None:
            return None
        named = await self.store.get(identifier_ref(tenant_id, address))
        return await self.get(tenant_id, named.user_id) if named is not None else None

    async def identifiers(self, tenant_id: TenantId, user_id: str) -> tuple[Identifier, ...]:
        """In order: for each kind, the first is the one that claims and mail go by."""
        return tuple(in_order(await self.store.find(identifiers_of(tenant_id, user_id))))

    async def list(
        self, tenant_id: TenantId, *, after: str | None = None, limit: int = 50
    ) -> tuple[User, ...]:
        """Users in the order in which they came; `after` is the id of the last one seen."""
        return await self.store.find(
            Find(
                User,
                {"tenant_id": tenant_id},
                order=("id",),
                after=(after,) if after else None,
                limit=limit,
            )
        )

    async def update(
        self, tenant_id: TenantId, user_id: str, data: Mapping[str, Any], *, actor: str
    ) -> User:
        """Change `name` and members of `profile`; what is None goes (RFC 7396)."""
        for field in data:
            if field not in ("name", "profile"):
                raise bad_request("unknown_field", f"{field} cannot be changed.", field=field)

        def change(user: User, now: int) -> dict[str, Any]:
            asked = dict(data)
            if "name" in asked:
                asked["name"] = _name(asked["name"])
            if "profile" in asked:
                asked["profile"] = changed_profile(user.profile, asked["profile"])
            return {field: value for field, value in asked.items() if value != getattr(user, field)}

        return await self._change(tenant_id, user_id, "user.updated", actor, change)

    async def set_password(
        self, tenant_id: TenantId, user_id: str, password: Secret, *, actor: str
    ) -> User:
        """A new password ends everything that the old one may have begun."""
        hashed = await self.passwords.hash(password)

        def change(user: User, now: int) -> dict[str, Any]:
            return {"password_hash": hashed, "not_before": not_before(now, user.not_before)}

        return await self._change(
            tenant_id,
            user_id,
            "user.password_changed",
            actor,
            change,
            "user.signed_out",
            "password.replaced",
        )

    async def disable(self, tenant_id: TenantId, user_id: str, *, actor: str) -> User:
        """Sessions and tokens from before this moment are dead, and stay so when enabled again."""

        def change(user: User, now: int) -> dict[str, Any]:
            if user.status != "active":
                return {}
            return {"status": "disabled", "not_before": not_before(now, user.not_before)}

        return await self._change(
            tenant_id, user_id, "user.disabled", actor, change, "user.disabled"
        )

    async def enable(self, tenant_id: TenantId, user_id: str, *, actor: str) -> User:
        def change(user: User, now: int) -> dict[str, Any]:
            return {"status": "active"} if user.status == "disabled" else {}

        return await self._change(tenant_id, user_id, "user.enabled", actor, change)

    async def _change(
        self,
        tenant_id: TenantId,
        user_id: str,
        type: EventType,
        actor: str,
        change: Callable[[User, int], dict[str, Any]],
        ends: str | None = None,
        what: What | None = None,
    ) -> User:
        """One unit: the columns, what ends with them, and the event. No change is no event."""
        ref, event_id, now = user_ref(tenant_id, user_id), self.mint.id("evt"), self.clock.now()
        goodbye = Insert(farewell_to_user(self.mint.id("job"), tenant_id, user_id, now))
        record = event(
            event_id, now, tenant_id, type, actor=actor, user_id=user_id, subject=user_id
        )

        telling = what and Telling(
            tenant_id=tenant_id, user_id=user_id, what=what, job_id=self.mint.id("job"), now=now
        )

        def decide(facts: Facts) -> Done[User | None]:
            user = facts.get(ref)
            changed = change(user, now) if user is not None else {}
            if user is None or not changed:
                return Done(user)
            changed["updated_at"] = now
            gone = (*ended(ends, tenant_id, user_id, now, type), goodbye) if ends else ()
            mail = telling.writes(facts) if telling else ()
            writes = (Update(ref, changed), *gone, Insert(record), *mail)
            return Done(replace(user, **changed), writes)

        reads = (ref, telling.before) if telling else (ref,)
        user = (await self.store.run(reads, decide)).answer
        if user is None:
            raise not_found("user")
        return user


def _name(value: Any) -> str | None:
    if value is None:
        return None
    shown = display_name(value, MAX_NAME + 1) if isinstance(value, str) else ""
    if not 0 < len(shown) <= MAX_NAME:
        raise bad_request(
            "invalid_name", f"name must be 1 to {MAX_NAME} visible characters.", field="name"
        )
    return shown


def _address(identifier: str) -> Address:
    address = parse_identifier(identifier)
    if address is None:
        raise bad_request(
            "invalid_identifier",
            "An e-mail address, or a phone number with its country code, is needed.",
            field="identifier",
        )
    return address
