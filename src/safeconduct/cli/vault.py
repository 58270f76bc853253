"""`safeconduct vault`: where sealed credentials lie, and new keys for them."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import progress_bar, show

if TYPE_CHECKING:
    from safeconduct.app import Platform

app = App(name="vault", help="Sealed credentials and the root key.")


@app.command(help_epilogue="Example:\n\n  safeconduct vault status --json")
def status(*, where: Where = HERE) -> None:
    """Say how much is sealed, and under which keys."""

    async def use(platform: "Platform") -> dict[str, Any]:
        facts = await platform.vault_rotation.status(platform.tenant_id)
        return {
            "root_key": facts.root_id,
            "keys": facts.keys,
            "keys_under_an_older_root_key": facts.old_root,
            "vault_key": facts.key_id,
            "sealed": facts.sealed,
            "sealed_under_an_older_vault_key": facts.old_key,
        }

    show(run(where, use), json=where.json)


@app.command(
    name="new-root",
    help_epilogue="""\
Afterwards name the source in root_key_source, root_key_file or tenant_root_keys, restart the
servers, and run `safeconduct vault rotate --only root`.

Examples:

  safeconduct vault new-root /run/keys/acme.key
  safeconduct vault new-root 'pkcs11:token=acme;object=root?module-path=hsm.so&pin-source=pin'
""",
)
def new_root(
    source: Annotated[str, Parameter(help="A file that is not there yet, or pkcs11:….")],
    /,
    *,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> None:
    """Make a root key: in a file of mode 0600, or in a token that does not give it away."""
    from pathlib import Path

    from safeconduct.adapters.roots import root_of
    from safeconduct.cli.opened import sentences
    from safeconduct.cli.show import Failed

    if source.startswith("env:"):
        raise Failed("A variable is set by whoever starts the server: openssl rand -hex 32")
    if not source.startswith("pkcs11:") and Path(source).exists():
        raise Failed(f"{source} is there already.")
    with sentences():
        show({"root_key": root_of(source, create=True).id}, json=json)


@app.command(
    help_epilogue="""\
For a new root key: make one (safeconduct vault new-root FILE), name it as root_key_file and the old
one in previous_root_key_files, restart the servers, and rotate. When that is done the old file is
needed only to open older backups. Servers work on meanwhile; a rotation that
was interrupted goes on where it stopped.

Examples:

  safeconduct vault rotate
  safeconduct vault rotate --only root
"""
)
def rotate(
    *,
    only: Annotated[
        Literal["root", "secrets"] | None,
        Parameter(help="Only wrap keys under the root key in use, or only seal secrets anew."),
    ] = None,
    where: Where = HERE,
) -> None:
    """Wrap all keys under the root key in use, and seal all secrets under a new vault key."""

    async def use(platform: "Platform") -> dict[str, Any]:
        facts: dict[str, Any] = {}
        before = await platform.vault_rotation.status(platform.tenant_id)
        if only != "secrets":
            with progress_bar("Wrapping keys", before.old_root) as progress:
                facts["keys_wrapped_anew"] = await platform.vault_rotation.rewrap(
                    actor=ACTOR, progress=progress
                )
        if only != "root":
            with progress_bar("Sealing secrets", before.sealed) as progress:
                done = await platform.vault_rotation.rotate(
                    platform.tenant_id, actor=ACTOR, progress=progress
                )
            facts["vault_key"] = done.key_id
            facts["continued"] = done.resumed
            facts["secrets_sealed_anew"] = done.resealed
            facts["old_keys_removed"] = done.removed
        return facts

    show(run(where, use), json=where.json)
