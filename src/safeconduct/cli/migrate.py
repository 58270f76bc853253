"""`safeconduct migrate`."""

from cyclopts import App

from safeconduct.cli.opened import sentences
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import say, show_json

app = App(
    name="migrate",
    help_epilogue="""\
A server migrates by itself when it starts; this does it beforehand, for instance while an older
version still serves. It can be run again at any time.

Examples:

  safeconduct migrate
  safeconduct migrate --database postgresql://safeconduct@localhost/safeconduct --json
""",
)


@app.default
def migrate(*, where: Where = HERE) -> None:
    """Bring the database to this version's schema."""
    import asyncio

    from safeconduct.adapters.store import migrate as bring_up

    settings = where.settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with sentences():
        done = asyncio.run(bring_up(settings.database))
    if where.json:
        show_json({"migrated": done})
    else:
        say("\n".join(f"Ran {name}." for name in done) or "Nothing to do.")
