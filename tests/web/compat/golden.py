"""Golden exchanges: what is asked, what is answered, and what it does to the store.

Each surface tells one story in the `test_golden.py` of its folder; `golden.json` beside it is the
record, with ids, secrets and addresses named by the order in which they came. To record what is
said now, to be reviewed and kept:

    GOLDEN=write pytest tests/web/compat -k golden
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from safeconduct.core.model import Event
from safeconduct.core.unit import Find
from safeconduct.ports.store import Store

SHOWN = ("location", "cache-control", "content-type", "retry-after", "www-authenticate", "allow")
CREDENTIALS = {"authorization", "x-cal-secret-key"}

KINDS = {
    "token": r"eyJ[\w-]+\.[\w-]+\.[\w-]+|cal_t1\.[\w.-]+|sc_[a-z]+_t1\.[\w.-]+",
    "suffix": r"…[\w-]{4}",
    "client": r"\b(?:c[0-9a-z]{24}|[0-9a-f]{32})\b",
    "uuid": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "id": r"(?<![0-9a-z])[a-z]{3}_[0-9a-z]{26}(?![0-9a-z])",
    "secret": r"(?<![0-9a-z])sim_code_[\w-]+|(?<=code_challenge=)[\w-]+",
    "cursor": r"[\w-]{90,}",
    "origin": r"http(?:://|%3A%2F%2F)127\.0\.0\.1(?::|%3A)\d+",
}
"""What is another one every time."""

_NAMES = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in KINDS.items()))


def named(text: str) -> str:
    """The text, with a name by its order in place of everything that chance made."""
    known: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        kind = found[0].partition("_")[0] if found.lastgroup == "id" else found.lastgroup
        return known.setdefault(found[0], f"<{kind}-{len(known) + 1}>")

    return _NAMES.sub(name, text)


@dataclass
class Story:
    """Exchanges in their order. Of the store, `columns` of each record that is named there."""

    store: Store
    columns: dict[type[Any], tuple[str, ...]]
    told: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, Any] = field(default_factory=dict)  # as they were told last
    events: int = 0  # that were told already

    async def begin(self) -> None:
        """What was there before is no part of it."""
        await self._stored()
        await self._events()

    async def tell(self, answer: httpx.Response) -> httpx.Response:
        """Note an exchange, and what it did to the store."""
        request, media = answer.request, answer.headers.get("content-type", "")
        self.told.append(
            {
                "request": f"{request.method} {request.url.raw_path.decode()}",
                "credential": sorted(CREDENTIALS & {name.lower() for name in request.headers}),
                "body": _read(request.content, request.headers.get("content-type", "")),
                "status": answer.status_code,
                "headers": {k: v for k, v in answer.headers.items() if k in SHOWN},
                "answer": _read(answer.content, media),
                "stored": await self._stored(),
                "events": await self._events(),
            }
        )
        return answer

    async def _stored(self) -> dict[str, Any]:
        """The tables that this exchange changed, as they are now."""
        before, self.rows = self.rows, {}
        for record, columns in self.columns.items():
            self.rows[record.__name__] = [
                {name: _plain(getattr(row, name)) for name in columns}
                for row in await self.store.find(Find(record, {}, limit=1000))
            ]
        return {name: rows for name, rows in self.rows.items() if rows != before.get(name)}

    async def _events(self) -> list[str]:
        """What this exchange added to the log. Jobs run side by side, so in no order."""
        rows = sorted(await self.store.find(Find(Event, {}, limit=1000)), key=lambda row: row.id)
        new, self.events = rows[self.events :], len(rows)
        return sorted(row.type for row in new)

    def holds(self, folder: Path, name: str = "golden") -> None:
        """The record says the same, or is written anew."""
        text = json.dumps(self.told, sort_keys=True, ensure_ascii=False)
        found, record = json.loads(named(text)), folder / f"{name}.json"
        if os.environ.get("GOLDEN") == "write":
            written = json.dumps(found, indent=1, ensure_ascii=False)
            record.write_text(f"{written}\n", encoding="utf-8")
        assert found == json.loads(record.read_text(encoding="utf-8"))


def _read(content: bytes, media: str) -> Any:
    if not content:
        return None
    return json.loads(content) if "json" in media else content.decode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "<sealed>"
    return sorted(value) if isinstance(value, frozenset | set) else value
