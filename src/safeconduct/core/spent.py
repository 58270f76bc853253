"""One-time identifiers in the store: used once, on whichever node, before and after a restart.

What may be remembered is short (the digest of an identifier that somebody else chose), and only
for as long as it could be used again; a row past its end counts as none.
"""

from safeconduct.core.model import Spent, TenantId
from safeconduct.core.unit import Facts, Insert, Ref, Update, Write


def spent_ref(tenant_id: TenantId, kind: str, id: str) -> Ref[Spent]:
    return Ref(Spent, tenant_id=tenant_id, kind=kind, id=id)


def is_spent(facts: Facts, ref: Ref[Spent], now: int) -> bool:
    row = facts.get(ref)
    return row is not None and now < row.expires_at


def spend(facts: Facts, ref: Ref[Spent], until: int) -> Write:
    """To be written in the unit that has read `ref`: of two at once, one wins."""
    if facts.get(ref) is not None:
        return Update(ref, {"expires_at": until})
    tenant_id, kind, id = ref.key
    return Insert(Spent(tenant_id=tenant_id, kind=kind, id=id, expires_at=until))
