"""A request that waits for its person: what the browser carries, sealed, until the code is made.

It holds the request as it was sent, not what was made of it. Every step reads it again against
the client as it is now, so a redirect URI that was removed meanwhile gets no code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from safeconduct.core.authorize import Arrival
from safeconduct.core.form import Form
from safeconduct.core.model import Spent, TenantId
from safeconduct.core.par import pushed_ref
from safeconduct.core.sent_request import Sent, sent_from_json
from safeconduct.core.sessions import SignedIn
from safeconduct.core.spent import is_spent, spend, spent_ref
from safeconduct.core.unit import Delete, Facts, Ref, Write

LIFETIME = 15 * 60_000
CONNECT_LIFETIME = 60 * 60_000
"""Linking an account means signing in at somebody else's, and that takes people time."""

SPENT = "authorize.flow"
OBJECT = "authorize.object"


def object_ref(tenant_id: TenantId, once: str) -> Ref[Spent]:
    """Of a request object (RFC 9101), by its `jti`."""
    return spent_ref(tenant_id, OBJECT, once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """`id` is spent in the unit that makes the code, or that records the refusal; that of a
    request that was sent ahead is the id of all flows that begin with it.

    `connect`: after consent the person links accounts, and the code is made when they leave.
    `consented` is the session in which they consented; in any other they are asked again.
    `picks` are the accounts that they chose then, by env.
    """

    tenant_id: TenantId
    id: str
    sent: Sent
    arrival: Arrival
    expires_at: int
    connect: bool = False
    consented: str | None = None
    picks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def new(
        cls,
        tenant_id: TenantId,
        id: str,
        sent: Sent,
        now: int,
        session_id: str | None,
        *,
        connect: bool = False,
    ) -> "Pending":
        end = now + (CONNECT_LIFETIME if connect else LIFETIME)
        arrival = Arrival(now, session_id)
        return cls(
            tenant_id=tenant_id,
            id=sent.pushed or id,
            sent=sent,
            arrival=arrival,
            expires_at=end,
            connect=connect,
        )

    @property
    def form(self) -> Form:
        return self.sent.form

    def agreed(self, who: SignedIn) -> "Pending":
        """The same, after this person's yes."""
        return replace(self, consented=who.session_id)

    def agreed_by(self, who: SignedIn | None) -> bool:
        return who is not None and who.session_id == self.consented

    def to_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant_id,
            "id": self.id,
            "sent": self.sent.to_json(),
            "at": self.arrival.at,
            "session": self.arrival.session_id,
            "until": self.expires_at,
            "connect": self.connect,
            "consented": self.consented,
            "picks": dict(self.picks),
        }

    def refs(self, tenant_id: TenantId) -> tuple[Ref[Spent], ...]:
        """What is spent with the answer: the flow, and the request object that it came in."""
        flow = spent_ref(tenant_id, SPENT, self.id)
        return (flow,) if self.sent.once is None else (flow, object_ref(tenant_id, self.sent.once))

    def is_spent(self, facts: Facts, tenant_id: TenantId, now: int) -> bool:
        return any(is_spent(facts, ref, now) for ref in self.refs(tenant_id))

    def spend(self, facts: Facts, tenant_id: TenantId) -> tuple[Write, ...]:
        """RFC 9126 §7.3: a `request_uri` is spent together with the flow that it began."""
        until = max(self.expires_at, self.sent.until)
        used = [spend(facts, ref, until) for ref in self.refs(tenant_id)]
        gone = (Delete(pushed_ref(tenant_id, self.id)),) if self.sent.kept else ()
        return (*used, *gone)


def pending_from_json(data: Mapping[str, Any]) -> Pending:
    return Pending(
        tenant_id=TenantId(data["tenant"]),
        id=data["id"],
        sent=sent_from_json(data["sent"]),
        arrival=Arrival(data["at"], data["session"]),
        expires_at=data["until"],
        connect=data["connect"],
        consented=data["consented"],
        picks=data["picks"],
    )
