"""`safeconduct keys`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import say, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import Key

app = App(name="keys", help="Signing keys, and the keys under which secrets are kept.")

Purpose = Literal["sign", "refresh", "seal"]


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct keys list --json")
def list_(*, where: Where = HERE) -> None:
    """List all keys: what each is for, and whether it is in use, coming or going."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        from safeconduct.core.model import Key
        from safeconduct.core.unit import Find

        rows = await platform.store.find(Find(Key, {"tenant_id": platform.tenant_id}, limit=1000))
        return [_facts(row) for row in sorted(rows, key=lambda row: (row.purpose, row.created_at))]

    keys = run(where, use)
    if where.json:
        show_json({"keys": keys})
    else:
        columns = {"id": "Id", "purpose": "Purpose", "algorithm": "Algorithm", "status": "Status"}
        show_rows(keys, columns | {"created_at": "Made"}, "No keys yet: safeconduct serve")


@app.command(
    help_epilogue="""\
A signing key is published first and signs only after the next rotation, when every relying party
has had a chance to fetch it. Rotate twice, a day apart, to retire a key that signs now. The vault's
keys have a command of their own, safeconduct vault rotate.

Examples:

  safeconduct keys rotate
  safeconduct keys rotate --purpose refresh
  safeconduct keys rotate --force
"""
)
def rotate(
    *,
    purpose: Annotated[Purpose, Parameter(help="Which keys.")] = "sign",
    force: Annotated[
        bool,
        Parameter(
            negative="",
            help="Use the next signing key although it was published less than a day ago: for "
            "when the key in use is in other hands.",
        ),
    ] = False,
    where: Where = HERE,
) -> None:
    """Move every key of a purpose one step on, and make a new one."""

    from safeconduct.core.policy import DAY

    async def use(platform: "Platform") -> dict[str, Any]:
        published_ms = 0 if force else DAY
        kid = await platform.keys.rotate(
            platform.tenant_id, purpose, actor=ACTOR, published_ms=published_ms
        )
        return {"purpose": purpose, "in_use": kid}

    facts = run(where, use)
    show(facts, json=where.json)
    if not where.json:
        say("Running servers notice within a second.")


def _facts(key: "Key") -> dict[str, Any]:
    return {
        "id": key.id,
        "purpose": key.purpose,
        "algorithm": key.algorithm,
        "status": key.status,
        "root_id": key.root_id,
        "created_at": key.created_at,
        "activated_at": key.activated_at,
        "retired_at": key.retired_at,
    }
