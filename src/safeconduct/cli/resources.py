"""`safeconduct resources`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform

app = App(name="resources", help="APIs that access tokens are for.")

ID = Parameter(help="Id or identifier of the API.")
SCOPE = Parameter(
    negative=(), help="A scope of the API, as scope=words; consent says the words. Repeats."
)
Format = Literal["jwt", "opaque"]
Algorithm = Literal["ES256", "EdDSA", "RS256", "PS256"]


@app.command(
    help_epilogue="""\
Examples:

  safeconduct resources create https://api.example.com --name "Ledger API"
  safeconduct resources create https://api.example.com/mcp --scope "notes:read=Read your notes" \\
      --lifetime 300 --require-dpop --introspection-client cli_01…
"""
)
def create(
    resource: Annotated[str, Parameter(help="The identifier that clients name: an https URI.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="What to call it.")] = None,
    scope: Annotated[list[str] | None, SCOPE] = None,
    token_format: Annotated[
        Format | None, Parameter(help="What its tokens are; else the client decides.")
    ] = None,
    lifetime: Annotated[
        int | None, Parameter(help="How many seconds its tokens live; else the client decides.")
    ] = None,
    signing_alg: Annotated[
        Algorithm | None, Parameter(help="With what its tokens are signed.")
    ] = None,
    require_dpop: Annotated[
        bool, Parameter(negative=(), help="Its tokens are bound to a DPoP key.")
    ] = False,
    require_mtls: Annotated[
        bool, Parameter(negative=(), help="Its tokens are bound to a client certificate.")
    ] = False,
    introspection_client: Annotated[
        list[str] | None,
        Parameter(negative=(), help="A client that acts as the API and may introspect. Repeats."),
    ] = None,
    where: Where = HERE,
) -> None:
    """Register an API."""
    from safeconduct.core.protected_resource import document

    asked: dict[str, Any] = {
        "resource": resource,
        "resource_name": name,
        "scopes": None if scope is None else _scopes(scope),
        "access_token_format": token_format,
        "access_token_lifetime": lifetime,
        "access_token_signing_alg": signing_alg,
        "dpop_bound_access_tokens_required": require_dpop,
        "tls_client_certificate_bound_access_tokens": require_mtls,
        "introspection_clients": introspection_client,
    }
    data = {field: value for field, value in asked.items() if value is not None}

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await platform.resources.create(platform.tenant_id, data, actor=ACTOR)
        return document(row)

    show(run(where, use), json=where.json)


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct resources list --json")
def list_(
    *,
    limit: Annotated[int, Parameter(help="How many at most.")] = 100,
    after: Annotated[str | None, Parameter(help="Continue behind the API with this id.")] = None,
    where: Where = HERE,
) -> None:
    """List the APIs that are registered."""
    from safeconduct.core.protected_resource import document

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        rows = await platform.resources.list(platform.tenant_id, after=after, limit=limit)
        return [document(row) for row in rows]

    rows = run(where, use)
    if where.json:
        show_json({"resources": rows})
    else:
        columns = {"id": "Id", "resource": "Identifier", "resource_name": "Name"}
        show_rows(rows, columns, "No APIs yet: safeconduct resources create --help")


@app.command(
    name="show", help_epilogue="Example:\n\n  safeconduct resources show https://api.example.com"
)
def show_resource(resource: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Show one API."""
    from safeconduct.core.protected_resource import document

    async def use(platform: "Platform") -> dict[str, Any]:
        return document(await platform.resources.show(platform.tenant_id, resource))

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Example:

  safeconduct resources metadata https://api.example.com --issuer https://id.example.com
"""
)
def metadata(
    resource: Annotated[str, ID],
    /,
    *,
    issuer: Annotated[
        str | None, Parameter(help="Our address, if the settings do not say it.")
    ] = None,
    where: Where = HERE,
) -> None:
    """Print the RFC 9728 document that an API publishes at its own origin."""
    from safeconduct.core.protected_resource import resource_metadata
    from safeconduct.core.resource import metadata_url

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await platform.resources.show(platform.tenant_id, resource)
        place = metadata_url(row.resource)
        return {
            "url": place,
            "document": resource_metadata(row, platform.realms.issuer(platform.tenant_id)),
        }

    show_json(run(where, use, issuer=issuer))


@app.command(help_epilogue="Example:\n\n  safeconduct resources delete https://api.example.com")
def delete(resource: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Remove an API from the registry; clients that list it may still name it."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.resources.delete(platform.tenant_id, resource, actor=ACTOR)
        return {"resource": resource, "deleted": True}

    show(run(where, use), json=where.json)


def _scopes(given: list[str]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in given]
    if any(not scope for scope, _, _ in pairs):
        raise Failed("A scope is written as scope=words.")
    return {scope: words for scope, _, words in pairs}
