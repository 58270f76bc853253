"""`safeconduct members` and `safeconduct teams`: the organisation behind a tenant."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, show, show_json, show_rows
from safeconduct.cli.users import WHO, find

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import Membership, Team

app = App(name="members", help="Who belongs to the organisation and its teams.")
teams = App(name="teams", help="Teams of the organisation.")

Role = Literal["MEMBER", "ADMIN", "OWNER"]
TEAM = Parameter(help="Slug of a team; the whole organisation without.")


@app.command(
    name="set",
    help_epilogue="""\
Examples:

  safeconduct members set ada@example.com --role ADMIN
  safeconduct members set ada@example.com --role OWNER --team design
""",
)
def set_member(
    user: Annotated[str, WHO],
    /,
    *,
    role: Annotated[Role, Parameter(help="What they may do.")] = "MEMBER",
    team: Annotated[str | None, TEAM] = None,
    where: Where = HERE,
) -> None:
    """Make somebody a member, or give a member another role."""

    async def use(platform: "Platform") -> dict[str, Any]:
        who = await find(platform, user)
        place = await _place(platform, team)
        made = await platform.organizations.set_member(
            platform.tenant_id, who.id, role, actor=ACTOR, team_id=place
        )
        return _member(made)

    show(run(where, use), json=where.json)


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct members list --team design")
def list_(*, team: Annotated[str | None, TEAM] = None, where: Where = HERE) -> None:
    """List members."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        place = await _place(platform, team)
        rows = await platform.organizations.members(platform.tenant_id, place)
        return [_member(row) for row in rows]

    rows = run(where, use)
    if where.json:
        show_json({"members": rows})
    else:
        columns = {"user_id": "User", "role": "Role", "accepted_at": "Since"}
        show_rows(rows, columns, "No members: safeconduct members set --help")


@app.command(help_epilogue="Example:\n\n  safeconduct members remove ada@example.com")
def remove(
    user: Annotated[str, WHO],
    /,
    *,
    team: Annotated[str | None, TEAM] = None,
    where: Where = HERE,
) -> None:
    """End a membership. The user stays."""

    async def use(platform: "Platform") -> dict[str, Any]:
        who = await find(platform, user)
        place = await _place(platform, team)
        await platform.organizations.remove_member(
            platform.tenant_id, who.id, actor=ACTOR, team_id=place
        )
        return {"user_id": who.id, "removed": True}

    show(run(where, use), json=where.json)


@teams.command(help_epilogue="Example:\n\n  safeconduct teams create Design --slug design")
def create(
    name: Annotated[str, Parameter(help="What people call it.")],
    /,
    *,
    slug: Annotated[str | None, Parameter(help="Its name in addresses; made from the name.")] = (
        None
    ),
    where: Where = HERE,
) -> None:
    """Make a team."""

    async def use(platform: "Platform") -> dict[str, Any]:
        made = await platform.organizations.create_team(
            platform.tenant_id, name, actor=ACTOR, slug=slug
        )
        return _team(made)

    show(run(where, use), json=where.json)


@teams.command(name="list", help_epilogue="Example:\n\n  safeconduct teams list --json")
def list_teams(*, where: Where = HERE) -> None:
    """List teams."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        return [_team(row) for row in await platform.organizations.teams(platform.tenant_id)]

    rows = run(where, use)
    if where.json:
        show_json({"teams": rows})
    else:
        columns = {"number": "Number", "slug": "Slug", "name": "Name", "id": "Id"}
        show_rows(rows, columns, "No teams: safeconduct teams create --help")


@teams.command(help_epilogue="Example:\n\n  safeconduct teams delete design")
def delete(
    team: Annotated[str, Parameter(help="Slug of the team.")], /, *, where: Where = HERE
) -> None:
    """Remove a team with its memberships; its members stay."""

    async def use(platform: "Platform") -> dict[str, Any]:
        id = await _place(platform, team)
        await platform.organizations.delete_team(platform.tenant_id, id, actor=ACTOR)
        return {"id": id, "deleted": True}

    show(run(where, use), json=where.json)


async def _place(platform: "Platform", slug: str | None) -> str:
    """The id of a team, or the organisation's."""
    if slug is None:
        return ""
    row = await platform.organizations.find_team(platform.tenant_id, slug=slug)
    if row is None:
        raise Failed(f"There is no team {slug!r}.")
    return row.id


def _member(row: "Membership") -> dict[str, Any]:
    from safeconduct.web.api.organizations import member

    return member(row)


def _team(row: "Team") -> dict[str, Any]:
    from safeconduct.web.api.organizations import team

    return team(row)
