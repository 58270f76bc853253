"""The first administrator: made once, by whoever can read what the server prints at its start."""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.errors import ApiError
from safeconduct.core.identifiers import Address, parse_identifier
from safeconduct.core.model import Tenant, TenantId
from safeconduct.core.passwords import objection
from safeconduct.core.secret import Secret, digest, same
from safeconduct.core.unit import Done, Facts, Ref, Update
from safeconduct.core.users import Numbering, identifier_ref, new_user
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.passwords import Passwords
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.sessions import Sessions, Started

CLOSED = ApiError(
    403,
    "setup_closed",
    "This link does not work (any more). An administrator was made already, "
    "or the server was restarted and printed a new link.",
)


class Setup:
    """The tenant's policy remembers: a digest while the link is open, the time when it was used."""

    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        passwords: Passwords,
        sessions: Sessions,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.passwords, self.sessions = passwords, sessions

    async def offer(self, tenant_id: TenantId) -> str | None:
        """A fresh token for `/setup?token=`; an earlier one is void. None once it was used."""
        anchor, token = Ref(Tenant, tenant_id=tenant_id), self.mint.secret()
        tag = digest(self.keys.of(tenant_id).digest_key, token).hex()

        def decide(facts: Facts) -> Done[str | None]:
            tenant = facts.get(anchor)
            if tenant is None or "done" in _state(tenant):
                return Done(None)
            return Done(token, (_remember(tenant, {"digest": tag}),))

        return (await self.store.run((anchor,), decide)).answer

    async def is_open(self, tenant_id: TenantId, token: str) -> bool:
        tenant = await self.store.get(Ref(Tenant, tenant_id=tenant_id))
        return tenant is not None and self._opens(tenant, token)

    async def claim(
        self, tenant_id: TenantId, token: str, identifier: str, password: Secret
    ) -> Started:
        """Make the administrator and sign them in. 403 `setup_closed` for every other call."""
        if not await self.is_open(tenant_id, token):
            raise CLOSED
        address = _checked(identifier, password)
        hashed, now = await self.passwords.hash(password), self.clock.now()
        ids = (self.mint.id("usr"), self.mint.id("evt"))
        opening = self.sessions.opening(tenant_id, amr=("pwd",))
        numbering, named = Numbering(tenant_id), identifier_ref(tenant_id, address)

        def decide(facts: Facts) -> Done[Started | ApiError]:
            tenant = facts.get(numbering.anchor)
            if tenant is None or not self._opens(tenant, token):
                return Done(CLOSED)
            if facts.get(named) is not None:
                return Done(ApiError(409, "identifier_taken", "Somebody signs in with this."))
            user, made = new_user(
                tenant_id,
                ids,
                address,
                numbering.after(facts.all(numbering.last)),
                now,
                type="user.created",
                actor="operator",
                role="admin",
                password_hash=hashed,
            )
            used = _remember(tenant, {"done": now})
            started = Started(opening.of(user), opening.cookie)
            return Done(started, (used, *made, *opening.writes(user)))

        verdict = await self.store.run((numbering.anchor, named, numbering.last), decide)
        if isinstance(verdict.answer, ApiError):
            raise verdict.answer
        return verdict.answer

    def _opens(self, tenant: Tenant, token: str) -> bool:
        known = _state(tenant).get("digest")
        keys = self.keys.of(tenant.tenant_id).symmetric["digest"].values()
        return isinstance(known, str) and any(
            same(bytes.fromhex(known), digest(key, token)) for key in keys
        )


def _state(tenant: Tenant) -> Mapping[str, Any]:
    state: Mapping[str, Any] = tenant.policy.get("setup", {})
    return state


def _remember(tenant: Tenant, state: Mapping[str, Any]) -> Update:
    ref = Ref(Tenant, tenant_id=tenant.tenant_id)
    return Update(ref, {"policy": {**tenant.policy, "setup": dict(state)}})


def _checked(identifier: str, password: Secret) -> Address:
    address = parse_identifier(identifier[:512])
    if address is None or address.kind != "email":
        raise ApiError(400, "invalid_identifier", "This is not an e-mail address.")
    reason = objection(password.reveal(), (address.value,))
    if reason is not None:
        raise ApiError(400, "weak_password", reason)
    return address
