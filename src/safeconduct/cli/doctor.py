"""`safeconduct doctor`."""

from typing import TYPE_CHECKING

from cyclopts import App

from safeconduct.cli.opened import sentences
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import show_json

if TYPE_CHECKING:
    from safeconduct.cli.checks import Finding

app = App(
    name="doctor",
    help_epilogue="""\
Changes nothing. Ends with status 1 if there is a problem.

Examples:

  safeconduct doctor
  safeconduct doctor --config /etc/safeconduct.toml --json
""",
)

SIGNS = {"good": "✓", "note": "·", "problem": "✗"}


@app.default
def doctor(*, where: Where = HERE) -> int:
    """Check settings, database, keys, mail and the way out."""
    import asyncio

    settings = where.settings()

    async def look() -> list["Finding"]:
        from safeconduct.cli.checks import examine

        return [finding async for finding in examine(settings)]

    with sentences():
        findings = asyncio.run(look())
    sick = any(finding.state == "problem" for finding in findings)
    if where.json:
        show_json({"healthy": not sick, "findings": findings})
    else:
        for finding in findings:
            print(f"{SIGNS[finding.state]} {finding.check:<12} {finding.says}")
    return int(sick)
