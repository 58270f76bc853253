"""Passkeys: how they come, sign somebody in, and go (Web Authentication Level 3 §7)."""

from dataclasses import replace

from safeconduct.core.acr import methods_of
from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Passkey, TenantId
from safeconduct.core.passkeys import (
    AMR,
    LIFETIME,
    MAX_PASSKEYS,
    Ceremony,
    Site,
    label_of,
    passkey_ref,
    passkeys_of,
)
from safeconduct.core.security_mail import Telling, What
from safeconduct.core.sessions import SignedIn, sessions_of
from safeconduct.core.spent import is_spent, spend
from safeconduct.core.unit import Delete, Done, Facts, Insert, Update
from safeconduct.core.users import user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.passkeys import BadPasskey, Passkeys
from safeconduct.ports.store import Store
from safeconduct.services.sessions import Sessions, Started


class OwnPasskeys:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        mint: Mint,
        passkeys: Passkeys,
        sessions: Sessions,
    ) -> None:
        self.store, self.clock, self.mint = store, clock, mint
        self.passkeys, self.sessions = passkeys, sessions

    async def of(self, tenant_id: TenantId, user_id: str) -> tuple[Passkey, ...]:
        return await self.store.find(passkeys_of(tenant_id, user_id))

    def ceremony(self) -> Ceremony:
        return Ceremony(self.mint.secret(), self.clock.now() + LIFETIME)

    def request(self, site: Site, ceremony: Ceremony) -> str:
        """What a browser is asked for a login, as JSON; the same for everybody."""
        return self.passkeys.request(site=site.id, challenge=ceremony.challenge)

    async def creation(
        self, who: SignedIn, site: Site, ceremony: Ceremony, *, name: str, account: str
    ) -> str:
        """What a browser is asked for a new passkey, as JSON."""
        known = await self.of(who.tenant_id, who.user_id)
        return self.passkeys.creation(
            site=site.id,
            name=name,
            user=who.user_id,
            account=account,
            challenge=ceremony.challenge,
            known=[row.id for row in known],
        )

    async def sign_in(
        self,
        tenant_id: TenantId,
        site: Site,
        ceremony: Ceremony,
        answer: str,
        *,
        replaces: SignedIn | None,
    ) -> Started | None:
        """A session for whoever holds the passkey; None for every answer that is not right."""
        row = await self._verified(tenant_id, site, ceremony, answer)
        if row is None:
            return None
        now, challenge = self.clock.now(), ceremony.ref(tenant_id)
        new = self.sessions.opening(tenant_id, amr=methods_of(AMR), replaces=replaces)
        key, person = passkey_ref(tenant_id, row.id), user_ref(tenant_id, row.user_id)
        others = sessions_of(tenant_id, row.user_id)

        def decide(facts: Facts) -> Done[Started | None]:
            user, kept = facts.get(person), facts.get(key)
            if user is None or user.status != "active" or kept is None:
                return Done(None)
            if is_spent(facts, challenge, now) or not _goes_on(kept.sign_count, row.sign_count):
                return Done(None)
            change = {"sign_count": row.sign_count, "last_used_at": now}
            writes = (Update(key, change), spend(facts, challenge, ceremony.ends_at))
            begun = new.writes(user, facts.all(others))
            return Done(Started(new.of(user), new.cookie), (*writes, *begun))

        return (await self.store.run((key, person, others, challenge), decide)).answer

    async def _verified(
        self, tenant_id: TenantId, site: Site, ceremony: Ceremony, answer: str
    ) -> Passkey | None:
        """The passkey that signed, with its new count; what was refused of a known one is told."""
        try:
            said = self.passkeys.named(answer)
        except BadPasskey:
            return None
        row = await self.store.get(passkey_ref(tenant_id, said.id))
        if row is None or said.user not in (None, row.user_id):
            return None
        try:
            count = self.passkeys.verified(
                answer,
                site=site.id,
                origin=site.origin,
                challenge=ceremony.challenge,
                public_key=row.public_key,
                sign_count=row.sign_count,
            )
        except BadPasskey:
            await self._refuse(row)
            return None
        return replace(row, sign_count=count)

    async def _refuse(self, row: Passkey) -> None:
        record = event(
            self.mint.id("evt"),
            self.clock.now(),
            row.tenant_id,
            "user.login",
            actor="system",
            outcome="denied",
            user_id=row.user_id,
            subject=row.user_id,
            rule="factor.passkey",
        )
        await self.store.run((), lambda _: Done(None, (Insert(record),)))

    async def add(
        self, who: SignedIn, site: Site, ceremony: Ceremony, answer: str, label: str
    ) -> Passkey:
        """400 `invalid_passkey`, 409 `passkey_exists` or `too_many_passkeys`."""
        try:
            made = self.passkeys.created(
                answer, site=site.id, origin=site.origin, challenge=ceremony.challenge
            )
        except BadPasskey:
            raise ApiError(400, "invalid_passkey", "The device gave no passkey.") from None
        now, challenge = self.clock.now(), ceremony.ref(who.tenant_id)
        row = Passkey(
            tenant_id=who.tenant_id,
            id=made.id,
            user_id=who.user_id,
            label=label_of(label),
            public_key=made.public_key,
            sign_count=made.sign_count,
            synced=made.synced,
            created_at=now,
            last_used_at=None,
        )
        ref, mine = passkey_ref(who.tenant_id, row.id), passkeys_of(who.tenant_id, who.user_id)
        person, record = (
            user_ref(who.tenant_id, who.user_id),
            self._event(who, "passkey.added", row),
        )
        telling = self._telling(who, "passkey.added")

        def decide(facts: Facts) -> Done[ApiError | None]:
            user = facts.get(person)
            if user is None or user.status != "active" or is_spent(facts, challenge, now):
                return Done(ApiError(400, "invalid_passkey", "This took too long. Try again."))
            if facts.get(ref) is not None:
                return Done(ApiError(409, "passkey_exists", "This passkey is there already."))
            if len(facts.all(mine)) >= MAX_PASSKEYS:
                return Done(ApiError(409, "too_many_passkeys", "Remove another passkey first."))
            kept = (Insert(row), spend(facts, challenge, ceremony.ends_at), record)
            return Done(None, (*kept, *telling.writes(facts)))

        reads = (ref, mine, person, challenge, telling.before)
        refusal = (await self.store.run(reads, decide)).answer
        if refusal is not None:
            raise refusal
        return row

    async def remove(self, who: SignedIn, id: str) -> None:
        """404 for what is not theirs."""
        ref = passkey_ref(who.tenant_id, id)
        row = await self.store.get(ref)
        if row is None or row.user_id != who.user_id:
            raise not_found("passkey")
        record = self._event(who, "passkey.removed", row)
        telling = self._telling(who, "passkey.removed")

        def decide(facts: Facts) -> Done[bool]:
            kept = facts.get(ref)
            mine = kept is not None and kept.user_id == who.user_id
            return Done(mine, (Delete(ref), record, *telling.writes(facts)) if mine else ())

        if not (await self.store.run((ref, telling.before), decide)).answer:
            raise not_found("passkey")

    def _telling(self, who: SignedIn, what: What) -> Telling:
        return Telling(
            tenant_id=who.tenant_id,
            user_id=who.user_id,
            what=what,
            job_id=self.mint.id("job"),
            now=self.clock.now(),
            language=who.language,
        )

    def _event(self, who: SignedIn, type: EventType, row: Passkey) -> Insert:
        record = event(
            self.mint.id("evt"),
            self.clock.now(),
            who.tenant_id,
            type,
            actor=f"user:{who.user_id}",
            user_id=who.user_id,
            subject=row.id[:64],
            detail={"synced": row.synced},
        )
        return Insert(record)


def _goes_on(before: int, now: int) -> bool:
    """§7.2: a count that does not rise is a sign of a copy; synced passkeys all say zero."""
    return now > before or before == now == 0
