"""`safeconduct events`: the log of what happened, and whether it is whole."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.opened import run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import progress_bar, show_json, show_rows, time_of

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.services.chain import Report

app = App(name="events", help="The log of what happened, and whether it is whole.")


@app.command(
    name="list",
    help_epilogue="""\
Examples:

  safeconduct events list --limit 50
  safeconduct events list --user usr_01… --types token.reused --json
""",
)
def list_(
    *,
    user: Annotated[str | None, Parameter(help="Only what this user (id) did or met.")] = None,
    subject: Annotated[str | None, Parameter(help="Only what is about this id.")] = None,
    types: Annotated[
        tuple[str, ...], Parameter(help="Only events of these types. May be repeated.", negative=())
    ] = (),
    limit: Annotated[int, Parameter(help="How many at most, newest first.")] = 20,
    where: Where = HERE,
) -> None:
    """List events, newest first. What one of them means: safeconduct explain ID."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        from safeconduct.services.log import EventLog

        log = EventLog(store=platform.store, keys=platform.keys)
        rows, _ = await log.page(
            platform.tenant_id, user_id=user, subject=subject, types=types, limit=limit
        )
        names = ("id", "at", "type", "outcome", "actor", "client_id", "user_id", "subject", "rule")
        return [{name: getattr(row, name) for name in names} for row in rows]

    rows = run(where, use)
    if where.json:
        show_json({"events": rows})
    else:
        columns = {"at": "At", "type": "Type", "outcome": "Outcome", "actor": "By", "id": "Id"}
        show_rows(rows, columns, "No such event is kept.")


@app.command(
    help_epilogue="""\
Reads the whole log, beside a running server if there is one. Ends with status 1 if the log was
changed. That its newest part was cut off can only be told with a head that was noted before.

Examples:

  safeconduct events verify
  safeconduct events verify --head 1204:9f2c…
"""
)
def verify(
    *,
    head: Annotated[str | None, Parameter(help="A head that an earlier run printed.")] = None,
    where: Where = HERE,
) -> int:
    """Find edits, removals and reorderings of events."""

    async def use(platform: "Platform") -> "Report":
        tenant_id = platform.tenant_id
        with progress_bar("Verifying", await platform.chain.length(tenant_id)) as progress:
            async for report in platform.chain.verify(tenant_id, noted=head):
                progress(report.links)
        return report

    report = run(where, use)
    if where.json:
        show_json(_facts(report))
    else:
        _print(report)
    return int(bool(report.flaws))


def _facts(report: "Report") -> dict[str, Any]:
    return {
        "whole": not report.flaws,
        "events": report.events,
        "links": report.links,
        "unchained": report.unchained,
        "since": report.first_at,
        "head": report.head,
        "flaws": [
            {"link": f.number, "says": f.says, "first_id": f.first_id, "last_id": f.last_id}
            for f in report.flaws
        ],
    }


def _print(report: "Report") -> None:
    for flaw in report.flaws:
        print(f"✗ Link {flaw.number} {flaw.says} ({flaw.first_id} to {flaw.last_id})")
    if not report.links:
        print("Nothing has been chained yet; a serving process does it, a minute behind.")
    elif not report.flaws and report.first_at is not None:
        print(f"✓ {report.events} events are as they were written, {time_of(report.first_at)} on.")
    print(f"  {report.unchained} more are too young to be chained.")
    if report.head:
        print(f"  Head: {report.head}")
