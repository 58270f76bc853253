"""`safeconduct ciba`: what apps ask of people who are elsewhere, answered at the console."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.services.deferrals import Found

app = App(
    name="ciba",
    help="What apps ask of people who are elsewhere (CIBA).",
    help_epilogue="""\
People answer in their account, at /account/requests. Here you answer in their name, for a help
desk or a test; that it was you is written down.""",
)

WHICH = Parameter(help="Id of the request, or the auth_req_id that the app was given.")


@app.command(
    name="list",
    help_epilogue="""\
Examples:

  safeconduct ciba list
  safeconduct ciba list --user ada@example.com --json
""",
)
def list_(
    *,
    user: Annotated[
        str | None, Parameter(help="Of this user alone: address, phone number or id.")
    ] = None,
    where: Where = HERE,
) -> None:
    """List what waits for somebody to decide, the most urgent first."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        from safeconduct.cli.users import find

        if user is None:
            found = await platform.deferrals.all_waiting(platform.tenant_id)
        else:
            who = await find(platform, user)
            found = await platform.deferrals.waiting(platform.tenant_id, who.id)
        return [_facts(one) for one in found]

    requests = run(where, use)
    if where.json:
        show_json({"requests": requests})
    else:
        columns = {"id": "Id", "client_name": "App", "user_id": "User", "scope": "Scope"}
        more = {"binding_message": "Message", "expires_at": "Until"}
        show_rows(requests, columns | more, "Nothing waits for anybody.")


@app.command(help_epilogue="Example:\n\n  safeconduct ciba approve def_06f2h9…")
def approve(request: Annotated[str, WHICH], /, *, where: Where = HERE) -> None:
    """Say yes in the user's name: the app gets its tokens."""
    _answer(request, where, allow=True)


@app.command(help_epilogue="Example:\n\n  safeconduct ciba deny def_06f2h9… --json")
def deny(request: Annotated[str, WHICH], /, *, where: Where = HERE) -> None:
    """Say no in the user's name: the app gets nothing."""
    _answer(request, where, allow=False)


def _answer(request: str, where: Where, *, allow: bool) -> None:
    async def use(platform: "Platform") -> dict[str, Any]:
        answer = platform.deferrals.answer
        row = await answer(platform.tenant_id, request, allow=allow, actor=ACTOR)
        status = "approved" if allow else "denied"
        return {"id": row.id, "client_id": row.client_id, "user_id": row.user_id, "status": status}

    show(run(where, use), json=where.json)


def _facts(found: "Found") -> dict[str, Any]:
    from safeconduct.web.api.requests import document

    return document(found)
