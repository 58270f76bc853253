"""What both engines promise."""

from safeconduct.core.model import Tenant
from safeconduct.core.unit import Done, Facts, Insert, Ref
from safeconduct.ports.store import Store


async def test_a_row_is_there_after_it_was_written(store: Store) -> None:
    tenant = Tenant(
        tenant_id="t1", number=1, name="One", status="active", policy={"a": [1]}, created_at=5
    )
    here = Ref(Tenant, tenant_id="t1")
    assert await store.get(here) is None

    def decide(facts: Facts) -> Done[str]:
        assert facts.get(here) is None
        return Done("made", (Insert(tenant),))

    assert (await store.run((here,), decide)).answer == "made"
    assert await store.get(here) == tenant
