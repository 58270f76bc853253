"""`safeconduct explain`: what happened to something, and which rule decided it."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.opened import run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, show_json, time_of

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import Event

app = App(
    name="explain",
    help_epilogue="""\
Examples:

  safeconduct explain evt_01…
  safeconduct explain con_01… --limit 100 --json
""",
)


@app.default
def explain(
    id: Annotated[str, Parameter(help="Id of an event, user, client, grant, connection …")],
    /,
    *,
    limit: Annotated[int, Parameter(help="How many events at most, newest first.")] = 20,
    where: Where = HERE,
) -> None:
    """Say what happened to something, and which rule decided it.

    Answers of the server that refuse something carry the id of the event that tells why.
    """

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        from safeconduct.services.explanations import explained

        events = await _events(platform, id, limit)
        if not events:
            raise Failed(
                f"No event is kept about {id!r}. Of callers that nobody knows, the last two "
                "thousand refusals are kept, and written down within a second."
            )
        return [explained(event).document() | {"version": event.version} for event in events]

    events = run(where, use)
    if where.json:
        show_json({"events": events})
        return
    for event in events:
        _print(event)


async def _events(platform: "Platform", id: str, limit: int) -> list["Event"]:
    from safeconduct.core.model import Event
    from safeconduct.core.unit import Find, Ref
    from safeconduct.services.denials import event_of

    tenant_id = platform.tenant_id
    one = await platform.store.get(Ref(Event, tenant_id=tenant_id, id=id))
    if one is not None:
        return [one]
    denial = await platform.denials.find(tenant_id, id)
    if denial is not None:
        return [event_of(denial)]
    found: dict[str, Event] = {}
    for column in ("subject", "user_id"):
        where = {"tenant_id": tenant_id, column: id}
        rows = await platform.store.find(Find(Event, where, order=("-id",), limit=limit))
        found |= {row.id: row for row in rows}
    return sorted(found.values(), key=lambda event: event.id, reverse=True)[:limit]


def _print(event: dict[str, Any]) -> None:
    lines = [f"{time_of(event['at'])}  {event['type']}  {event['outcome']}  by {event['actor']}"]
    for name in ("id", "subject", "client_id", "user_id", "version"):
        if event[name] is not None:
            lines.append(f"    {name:<10} {event[name]}")
    if event["rule"]:
        clause = f"  ({event['specification']})" if event["specification"] else ""
        lines.append(f"    {'rule':<10} {event['rule']}{clause}")
    for name in ("expected", "got", "fix"):
        if event[name] is not None:
            lines.append(f"    {name:<10} {event[name]}")
    for name, value in event["detail"].items():
        lines.append(f"    {name:<10} {value}")
    print("\n".join(lines) + "\n")
