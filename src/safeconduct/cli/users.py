"""`safeconduct users`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, object_from, secret_from, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import User

app = App(name="users", help="People who sign in.")

WHO = Parameter(help="E-mail address, phone number or id of the user.")
NAME = Parameter(help="One that the user signs in with.")


@app.command(
    help_epilogue="""\
Examples:

  safeconduct users create --email ada@example.com --name "Ada Lovelace"
  safeconduct users create --email ada@example.com --password - < password.txt
"""
)
def create(
    *,
    email: Annotated[str, Parameter(help="What they sign in with; taken as verified.")],
    password: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="A first password; - reads it from standard input. Without one, they sign "
            "in with codes that are mailed to them.",
        ),
    ] = None,
    phone: Annotated[
        str | None, Parameter(help="A phone number, with its country code, to sign in with too.")
    ] = None,
    name: Annotated[str | None, Parameter(help="What to call them.")] = None,
    role: Annotated[Literal["user", "admin"], Parameter(help="Admins may administer.")] = "user",
    where: Where = HERE,
) -> None:
    """Create a user."""
    from safeconduct.core.secret import Secret

    word = secret_from(password)

    async def use(platform: "Platform") -> dict[str, Any]:
        user = await platform.users.create(
            platform.tenant_id,
            email,
            actor=ACTOR,
            password=Secret(word) if word is not None else None,
            name=name,
            role=role,
            more=(phone,) if phone is not None else (),
        )
        return await _facts(platform, user)

    show(run(where, use), json=where.json)


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct users list --json")
def list_(
    *,
    limit: Annotated[int, Parameter(help="How many at most.")] = 50,
    after: Annotated[str | None, Parameter(help="Continue behind the user with this id.")] = None,
    where: Where = HERE,
) -> None:
    """List users in the order in which they came."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        users = await platform.users.list(platform.tenant_id, after=after, limit=limit)
        return [await _facts(platform, user) for user in users]

    users = run(where, use)
    if where.json:
        show_json({"users": users})
    else:
        columns = {"id": "Id", "email": "E-mail", "name": "Name", "role": "Role"}
        show_rows(users, columns | {"status": "Status"}, "No users yet: safeconduct users create")


@app.command(name="show", help_epilogue="Example:\n\n  safeconduct users show ada@example.com")
def show_user(user: Annotated[str, WHO], /, *, where: Where = HERE) -> None:
    """Show one user."""

    async def use(platform: "Platform") -> dict[str, Any]:
        return await _facts(platform, await find(platform, user))

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct users update ada@example.com --name "Ada King"
  safeconduct users update ada@example.com --profile - <<< '{"birthdate": "1815-12-10"}'
  safeconduct users update ada@example.com --profile address.json --json
"""
)
def update(
    user: Annotated[str, WHO],
    /,
    *,
    name: Annotated[str | None, Parameter(help="What to call them.")] = None,
    profile: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="A JSON file of standard claims (OpenID Connect Core 5.1) to set; null takes one "
            "away. - reads standard input.",
        ),
    ] = None,
    where: Where = HERE,
) -> None:
    """Change what is known of a user; apps see it where the user consents to `profile`."""
    data: dict[str, Any] = {} if name is None else {"name": name}
    if profile is not None:
        data["profile"] = object_from(profile)

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await find(platform, user)
        changed = await platform.users.update(platform.tenant_id, found.id, data, actor=ACTOR)
        return await _facts(platform, changed)

    show(run(where, use), json=where.json)


@app.command(help_epilogue="Example:\n\n  safeconduct users disable ada@example.com")
def disable(user: Annotated[str, WHO], /, *, where: Where = HERE) -> None:
    """Let a user in no more; their sessions and tokens end at once, and for good."""

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await find(platform, user)
        changed = await platform.users.disable(platform.tenant_id, found.id, actor=ACTOR)
        return await _facts(platform, changed)

    show(run(where, use), json=where.json)


@app.command(help_epilogue="Example:\n\n  safeconduct users enable ada@example.com")
def enable(user: Annotated[str, WHO], /, *, where: Where = HERE) -> None:
    """Let a user in again. What ended when they were disabled stays ended."""

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await find(platform, user)
        changed = await platform.users.enable(platform.tenant_id, found.id, actor=ACTOR)
        return await _facts(platform, changed)

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="Example:\n\n  safeconduct users set-password ada@example.com --password -"
)
def set_password(
    user: Annotated[str, WHO],
    /,
    *,
    password: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="The new one; - reads it from standard input."),
    ],
    where: Where = HERE,
) -> None:
    """Set a password. All sessions and tokens of the user end."""
    from safeconduct.core.secret import Secret

    word = secret_from(password) or ""

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await find(platform, user)
        changed = await platform.users.set_password(
            platform.tenant_id, found.id, Secret(word), actor=ACTOR
        )
        return await _facts(platform, changed)

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="Example:\n\n  safeconduct users reset-second-factor ada@example.com --json"
)
def reset_second_factor(user: Annotated[str, WHO], /, *, where: Where = HERE) -> None:
    """Take away the authenticator app, recovery codes and passkeys of a user who has lost them.

    Make sure who asks. Sessions stay; the user can add another app.
    """

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await find(platform, user)
        removed = await platform.second_factor.reset(found, actor=ACTOR)
        return {**await _facts(platform, found), "removed": removed}

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct users add-identifier ada@example.com ada@work.example
  safeconduct users add-identifier ada@example.com +4915123456789 --unverified --json
"""
)
def add_identifier(
    user: Annotated[str, WHO],
    identifier: Annotated[str, Parameter(help="An e-mail address, or a phone number.")],
    /,
    *,
    unverified: Annotated[
        bool,
        Parameter(negative="", help="Leave it to be proven by the first code that is typed."),
    ] = False,
    where: Where = HERE,
) -> None:
    """Let a user sign in with another address or number. They are told by mail."""

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await find(platform, user)
        await platform.own_identifiers.add_for(
            platform.tenant_id, found.id, identifier, actor=ACTOR, verified=not unverified
        )
        return await _facts(platform, found)

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="Example:\n\n  safeconduct users remove-identifier ada@example.com "
    "ada@work.example"
)
def remove_identifier(
    user: Annotated[str, WHO], identifier: Annotated[str, NAME], /, *, where: Where = HERE
) -> None:
    """Take an address or number from a user, but not the last. They are told by mail."""

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await find(platform, user)
        own = platform.own_identifiers
        await own.remove_for(platform.tenant_id, found.id, identifier, actor=ACTOR)
        return await _facts(platform, found)

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="Example:\n\n  safeconduct users prefer-identifier ada@example.com "
    "ada@work.example"
)
def prefer_identifier(
    user: Annotated[str, WHO], identifier: Annotated[str, NAME], /, *, where: Where = HERE
) -> None:
    """Make an address or number the first: apps are told of it, and mail goes there."""

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await find(platform, user)
        own = platform.own_identifiers
        await own.prefer_for(platform.tenant_id, found.id, identifier, actor=ACTOR)
        return await _facts(platform, found)

    show(run(where, use), json=where.json)


async def find(platform: "Platform", who: str) -> "User":
    """The user with this id or identifier, or a sentence."""
    tenant_id = platform.tenant_id
    found = await platform.users.get(tenant_id, who) or await platform.users.find(tenant_id, who)
    if found is None:
        raise Failed(f"There is no user {who!r}.")
    return found


async def _facts(platform: "Platform", user: "User") -> dict[str, Any]:
    named = await platform.users.identifiers(platform.tenant_id, user.id)
    return {
        "id": user.id,
        "number": user.number,
        "email": next((n.value for n in named if n.kind == "email"), None),
        "phone": next((n.value for n in named if n.kind == "phone"), None),
        "identifiers": [
            {"kind": n.kind, "value": n.value, "verified": n.verified_at is not None} for n in named
        ],
        "name": user.name,
        "profile": dict(user.profile),
        "role": user.role,
        "status": user.status,
        "has_password": user.password_hash is not None,
        "passkeys": len(await platform.passkeys.of(user.tenant_id, user.id)),
        "has_authenticator": bool(await platform.second_factor.of(user.tenant_id, user.id)),
        "created_at": user.created_at,
    }
