"""`safeconduct accounts`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import show, show_json, show_rows
from safeconduct.cli.users import WHO, find

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import Account

app = App(name="accounts", help="Brokerage-style accounts of users.")


@app.command(
    help_epilogue="Example:\n\n  safeconduct accounts create --user ada@example.com --env paper"
)
def create(
    *,
    user: Annotated[str, WHO],
    env: Annotated[Literal["live", "paper"], Parameter(help="Real money, or play money.")],
    where: Where = HERE,
) -> None:
    """Create an account for a user."""

    async def use(platform: "Platform") -> dict[str, Any]:
        who = await find(platform, user)
        made = await platform.accounts.create(platform.tenant_id, who.id, env, actor=ACTOR)
        return _facts(made)

    show(run(where, use), json=where.json)


@app.command(
    name="list", help_epilogue="Example:\n\n  safeconduct accounts list ada@example.com --json"
)
def list_(user: Annotated[str, WHO], /, *, where: Where = HERE) -> None:
    """List the accounts of a user."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        who = await find(platform, user)
        return [_facts(row) for row in await platform.accounts.of_user(platform.tenant_id, who.id)]

    accounts = run(where, use)
    if where.json:
        show_json({"accounts": accounts})
    else:
        columns = {"id": "Id", "env": "Kind", "status": "Status", "created_at": "Made"}
        show_rows(accounts, columns, "No accounts.")


def _facts(row: "Account") -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.user_id,
        "env": row.env,
        "status": row.status,
        "created_at": row.created_at,
    }
