"""`safeconduct tenants`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import Tenant

app = App(
    name="tenants",
    help="Tenants: each has an issuer, keys, people and apps of its own.",
    help_epilogue="Every other command works on one of them with --tenant SLUG.",
)

WHICH = Parameter(help="Slug, host name or id of the tenant.")
SETTING = Parameter(
    name="--policy",
    help="A policy as NAME=VALUE; repeat it for more. An empty value takes the default again.",
    negative=(),
)
NAME = Parameter(help="What people call it.")
HOST = Parameter(help="Host name of its own; without one it is reached under /t/SLUG.")
BRAND = Parameter(help="Name on its pages.")
ACCENT = Parameter(help="Colour of its buttons, like #1a6b5c.")
SUPPORT = Parameter(help="https: or mailto: address of somebody to turn to.")


@app.command(
    help_epilogue="""\
Examples:

  safeconduct tenants create acme --name "Acme Ltd"
  safeconduct tenants create acme --name Acme --host login.acme.example
  safeconduct tenants create acme --name Acme --policy sign_up=invitation --accent "#1a6b5c"
"""
)
def create(
    slug: Annotated[str, Parameter(help="Its name in addresses: small letters, digits, -.")],
    /,
    *,
    name: Annotated[str, NAME],
    host: Annotated[str | None, HOST] = None,
    policy: Annotated[list[str] | None, SETTING] = None,
    brand: Annotated[str | None, BRAND] = None,
    accent: Annotated[str | None, ACCENT] = None,
    support: Annotated[str | None, SUPPORT] = None,
    where: Where = HERE,
) -> None:
    """Create a tenant with an issuer and keys of its own."""
    asked = {"slug": slug, "name": name, **_asked(policy, brand, accent, support)}
    if host is not None:
        asked["host"] = host

    async def use(platform: "Platform") -> dict[str, Any]:
        return _facts(platform, await platform.tenants.create(asked, actor=ACTOR))

    show(run(where, use), json=where.json)


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct tenants list --json")
def list_(
    *,
    limit: Annotated[int, Parameter(help="How many at most.")] = 50,
    after: Annotated[str | None, Parameter(help="Continue behind this id.")] = None,
    where: Where = HERE,
) -> None:
    """List tenants."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        rows = await platform.tenants.list(after=after, limit=limit)
        return [_facts(platform, row) for row in rows]

    tenants = run(where, use)
    if where.json:
        show_json({"tenants": tenants})
    else:
        columns = {"id": "Id", "slug": "Slug", "name": "Name", "status": "Status"}
        show_rows(tenants, columns | {"issuer": "Issuer"}, "No tenants yet.")


@app.command(name="show", help_epilogue="Example:\n\n  safeconduct tenants show acme")
def show_tenant(tenant: Annotated[str, WHICH], /, *, where: Where = HERE) -> None:
    """Show one tenant, its policies and how it looks."""

    async def use(platform: "Platform") -> dict[str, Any]:
        return _facts(platform, await find(platform, tenant))

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct tenants update acme --policy access_token_seconds=300 --policy second_factor=required
  safeconduct tenants update acme --accent "#1a6b5c" --support mailto:help@acme.example
"""
)
def update(
    tenant: Annotated[str, WHICH],
    /,
    *,
    name: Annotated[str | None, NAME] = None,
    host: Annotated[str | None, HOST] = None,
    policy: Annotated[list[str] | None, SETTING] = None,
    brand: Annotated[str | None, BRAND] = None,
    accent: Annotated[str | None, ACCENT] = None,
    support: Annotated[str | None, SUPPORT] = None,
    where: Where = HERE,
) -> None:
    """Change a tenant. Its slug stays: it is part of its issuer."""
    asked = _asked(policy, brand, accent, support)
    if name is not None:
        asked["name"] = name
    if host is not None:
        asked["host"] = host or None

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await find(platform, tenant)
        changed = await platform.tenants.update(row.tenant_id, asked, actor=ACTOR)
        return _facts(platform, changed)

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct tenants logo acme acme.png
  safeconduct tenants logo acme --remove --json
"""
)
def logo(
    tenant: Annotated[str, WHICH],
    picture: Annotated[
        Path | None, Parameter(help="A PNG of at most 128 KiB and 1024 pixels a side.")
    ] = None,
    /,
    *,
    remove: Annotated[bool, Parameter(negative="", help="Show none any more.")] = False,
    where: Where = HERE,
) -> None:
    """Show a picture on a tenant's pages, beside its name or instead of it."""
    body = _picture(picture, remove)

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await find(platform, tenant)
        changed = await platform.tenants.set_logo(row.tenant_id, body, actor=ACTOR)
        return _facts(platform, changed)

    show(run(where, use), json=where.json)


@app.command(name="disable", help_epilogue="Example:\n\n  safeconduct tenants disable acme")
def disable(tenant: Annotated[str, WHICH], /, *, where: Where = HERE) -> None:
    """Suspend a tenant: nothing of it opens anything until it is enabled again."""

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await find(platform, tenant)
        return _facts(platform, await platform.tenants.suspend(row.tenant_id, actor=ACTOR))

    show(run(where, use), json=where.json)


@app.command(name="enable", help_epilogue="Example:\n\n  safeconduct tenants enable acme")
def enable(tenant: Annotated[str, WHICH], /, *, where: Where = HERE) -> None:
    """Let a suspended tenant work again."""

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await find(platform, tenant)
        return _facts(platform, await platform.tenants.activate(row.tenant_id, actor=ACTOR))

    show(run(where, use), json=where.json)


async def find(platform: "Platform", text: str) -> "Tenant":
    """The tenant with this slug, host or id, or a sentence."""
    found = await platform.tenants.find(text)
    if found is None:
        raise Failed(f"There is no tenant {text!r}.")
    return found


def _picture(path: Path | None, remove: bool) -> bytes | None:
    if (path is None) != remove:
        raise Failed("Name a picture, or say --remove.")
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from None


def _asked(
    policy: list[str] | None, brand: str | None, accent: str | None, support: str | None
) -> dict[str, Any]:
    looks = {"name": brand, "accent": accent, "support": support}
    branding = {name: value or None for name, value in looks.items() if value is not None}
    asked: dict[str, Any] = {"branding": branding} if branding else {}
    if policy:
        asked["policy"] = dict(_setting(text) for text in policy)
    return asked


def _setting(text: str) -> tuple[str, Any]:
    from safeconduct.core.tenant_policy import LISTS

    name, mark, value = text.partition("=")
    if not mark:
        raise Failed(f"--policy {text}: write it as NAME=VALUE.")
    if name in LISTS:
        return name, [word for word in value.split(",") if word] or None
    if value in ("true", "false"):
        return name, value == "true"
    return name, int(value) if value.isdecimal() else value or None


def _facts(platform: "Platform", row: "Tenant") -> dict[str, Any]:
    from safeconduct.core.tenants import tenant_document

    return tenant_document(row, platform.realms.of(row.tenant_id))
