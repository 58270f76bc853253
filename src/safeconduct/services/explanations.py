"""Why something was refused: who asked, which rule said no, what it expected, and the fix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.errors import not_found
from safeconduct.core.explanations import Explanation, clause, explanation_of
from safeconduct.core.model import Event, TenantId
from safeconduct.core.unit import Find, Ref
from safeconduct.ports.store import Store
from safeconduct.services.denials import Denials, event_of

PLAIN = Explanation(
    "a request that can be done", "The title says what stands in the way; mend that, and ask again."
)
"""For error codes without words of their own."""


@dataclass(frozen=True, slots=True)
class Explained:
    """An event; for one that tells of a refusal, also the words for its rule."""

    event: Event
    expected: str | None = None
    got: str | None = None
    fix: str | None = None

    def document(self) -> dict[str, Any]:
        row = self.event
        return {
            "id": row.id,
            "at": row.at,
            "type": row.type,
            "outcome": row.outcome,
            "actor": row.actor,
            "client_id": row.client_id,
            "user_id": row.user_id,
            "subject": row.subject,
            "rule": row.rule,
            "rfc": row.rfc,
            "specification": clause(row.rfc),
            "expected": self.expected,
            "got": self.got,
            "fix": self.fix,
            "detail": row.detail,
        }


class Explanations:
    def __init__(self, *, store: Store, denials: Denials) -> None:
        self.store, self.denials = store, denials

    async def of(self, tenant_id: TenantId, id: str) -> Explained:
        """Of an event or a denial by its own id, else the latest refusal about this subject."""
        row = await self.store.get(Ref(Event, tenant_id=tenant_id, id=id))
        if row is None:
            denial = await self.denials.find(tenant_id, id)
            row = event_of(denial) if denial else await self._latest(tenant_id, id)
        if row is None:
            raise not_found("explanation")
        return explained(row)

    async def _latest(self, tenant_id: TenantId, id: str) -> Event | None:
        for column in ("subject", "user_id"):
            where = {"tenant_id": tenant_id, column: id}
            rows = await self.store.find(Find(Event, where, order=("-id",), limit=100))
            refused = next((row for row in rows if row.outcome == "denied" or row.rule), None)
            if refused is not None:
                return refused
        return None


def explained(row: Event) -> Explained:
    if row.rule is None:
        return Explained(row)
    words = explanation_of(row.rule, row.detail.get("error")) or PLAIN
    return Explained(row, words.expected, _got(row.detail), words.fix)


def _got(detail: Mapping[str, Any]) -> str | None:
    """What was there instead, in the words of the moment: those of the caller and our own."""
    said = [str(detail[name]) for name in ("got", "description", "detail") if detail.get(name)]
    return "; ".join(said) or None
