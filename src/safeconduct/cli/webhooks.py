"""`safeconduct webhooks`: who is told of what happens, and what became of it."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import say, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.services.webhooks import Made

app = App(name="webhooks", help="Who is told of what happens.")

ID = Parameter(help="Id of the webhook.")


@app.command(
    help_epilogue="""\
Messages are CloudEvents, signed as Standard Webhooks has it. What there is to hear of:
GET /api/v1/webhooks/event-types

Examples:

  safeconduct webhooks create --url https://app.example/hooks --event "connection.*"
  safeconduct webhooks create --url https://app.example/hooks --event "*" --json
"""
)
def create(
    *,
    url: Annotated[str, Parameter(help="Where messages go; https.")],
    event: Annotated[
        list[str],
        Parameter(help="A type, connection.* and the like, or *. May be repeated.", negative=()),
    ],
    description: Annotated[str | None, Parameter(help="To tell webhooks apart.")] = None,
    client: Annotated[
        str | None, Parameter(help="Hears of this client's users only; of everybody without.")
    ] = None,
    where: Where = HERE,
) -> None:
    """Register a webhook. Its signing secret is printed once."""
    data = {"url": url, "event_types": event, "description": description}

    async def use(platform: "Platform") -> dict[str, Any]:
        tenant_id = platform.tenant_id
        if client is not None:
            await platform.clients.show(tenant_id, client)
        return _made(await platform.webhooks.create(tenant_id, data, actor=ACTOR, client_id=client))

    _show_secret(run(where, use), where)


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct webhooks list --json")
def list_(*, where: Where = HERE) -> None:
    """List webhooks and how they do."""
    from safeconduct.web.api.webhooks import document

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        return [document(row) for row in await platform.webhooks.list(platform.tenant_id)]

    rows = run(where, use)
    if where.json:
        show_json({"webhooks": rows})
    else:
        columns = {"id": "Id", "url": "Address", "event_types": "Events", "status": "Status"}
        nothing = "No webhooks yet: safeconduct webhooks create --help"
        show_rows(rows, columns | {"failures": "Failures"}, nothing)


@app.command(name="show", help_epilogue="Example:\n\n  safeconduct webhooks show whk_01…")
def show_webhook(webhook: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Show a webhook, and its latest deliveries."""
    from safeconduct.web.api.webhooks import delivery, document

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await platform.webhooks.get(platform.tenant_id, webhook)
        sent = await platform.deliveries.page(row.tenant_id, endpoint_id=row.id, limit=20)
        return {**document(row), "deliveries": [delivery(one) for one in sent]}

    facts = run(where, use)
    if where.json:
        show_json(facts)
        return
    sent = facts.pop("deliveries")
    show(facts, json=False)
    columns = {"id": "Delivery", "type": "Event", "status": "Status", "attempts": "Tries"}
    show_rows(sent, columns | {"error": "Error"}, "Nothing sent yet.")


@app.command(
    help_epilogue="""\
Examples:

  safeconduct webhooks rotate-secret whk_01…
  safeconduct webhooks rotate-secret whk_01… --overlap-hours 0
"""
)
def rotate_secret(
    webhook: Annotated[str, ID],
    /,
    *,
    overlap_hours: Annotated[
        float, Parameter(help="How long messages are signed with the old one too.")
    ] = 24.0,
    where: Where = HERE,
) -> None:
    """Give a new signing secret, printed once."""

    async def use(platform: "Platform") -> dict[str, Any]:
        return _made(
            await platform.webhooks.rotate_secret(
                platform.tenant_id, webhook, actor=ACTOR, overlap_ms=int(overlap_hours * 3_600_000)
            )
        )

    _show_secret(run(where, use), where)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct webhooks replay dlv_01…
  safeconduct webhooks replay whk_01…  # all its dead letters
"""
)
def replay(
    what: Annotated[str, Parameter(help="Id of a delivery, or of a webhook.")],
    /,
    *,
    where: Where = HERE,
) -> None:
    """Send something again, with the same message id. A running server does the sending."""

    async def use(platform: "Platform") -> dict[str, Any]:
        tenant_id = platform.tenant_id
        if what.startswith("dlv_"):
            row = await platform.deliveries.replay(tenant_id, what, actor=ACTOR)
            return {"delivery": row.id, "status": row.status, "replayed": 1}
        row_id = (await platform.webhooks.get(tenant_id, what)).id
        count = await platform.deliveries.replay_dead(tenant_id, row_id, actor=ACTOR)
        return {"webhook": row_id, "replayed": count}

    show(run(where, use), json=where.json)


@app.command(help_epilogue="Example:\n\n  safeconduct webhooks delete whk_01…")
def delete(webhook: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Remove a webhook; what was on its way to it is cancelled."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.webhooks.delete(platform.tenant_id, webhook, actor=ACTOR)
        return {"id": webhook, "deleted": True}

    show(run(where, use), json=where.json)


def _made(made: "Made") -> dict[str, Any]:
    from safeconduct.web.api.webhooks import document

    return {**document(made.endpoint), "secret": made.secret.reveal()}


def _show_secret(facts: dict[str, Any], where: Where) -> None:
    show(facts, json=where.json)
    if not where.json:
        say("Keep the secret now; it is not shown again.")
