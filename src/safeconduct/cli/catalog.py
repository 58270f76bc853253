"""`safeconduct catalog`: what is known about providers, where it comes from, and making it anew."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.show import Failed, progress_bar, show_json, show_one, show_rows

if TYPE_CHECKING:
    from safeconduct.catalog_build import Built

app = App(name="catalog", help="What is known about providers, and where it comes from.")

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Folders = Annotated[
    tuple[str, ...],
    Parameter(
        name="--folder",
        negative=(),
        help="NAME=PATH: where a package lies unpacked. Those of registries are fetched if not "
        "given; SocialiteProviders and goth are repositories and must be.",
    ),
]
NEEDS = """\
Needs Node for the packages from npm. The two repositories, at the commits that a refusal names:

  git clone https://github.com/SocialiteProviders/Providers socialite
  git clone https://github.com/markbates/goth goth
"""


@app.command(
    name="list", help_epilogue="Example:\n\n  safeconduct catalog list --category health --json"
)
def list_(
    *,
    category: Annotated[str | None, Parameter(help="Only entries of this category.")] = None,
    json: AsJson = False,
) -> None:
    """List the entries: what can be configured with `safeconduct providers configure`."""
    from safeconduct.adapters.catalog import load_catalog

    rows = [
        {
            "id": entry.id,
            "name": entry.name,
            "category": entry.category,
            "modes": list(entry.auth.modes),
        }
        for entry in load_catalog().all()
        if category in (None, entry.category)
    ]
    if json:
        show_json({"entries": rows})
    else:
        columns = {"id": "Id", "name": "Name", "category": "Category", "modes": "Modes"}
        show_rows(rows, columns, "There is no entry of this category.")


@app.command(
    help_epilogue="""\
Examples:

  safeconduct catalog show xero
  safeconduct catalog show xero --json
"""
)
def show(
    entry: Annotated[str, Parameter(help="Id of the entry.")], /, *, json: AsJson = False
) -> None:
    """Say every fact of an entry, and its source."""
    from safeconduct.adapters.catalog import document_of, load_catalog
    from safeconduct.core.upstream.schema import leaves

    provider = load_catalog().get(entry)
    if provider is None:
        raise Failed(f"There is no entry {entry!r}. See: safeconduct catalog list")
    document = document_of(entry)
    if json:
        show_json(document)
        return
    facts: dict[str, Any] = {}
    for path in leaves(document):
        source = provider.source_of(path)
        if source is not None:
            facts[path] = f"{_value(document, path)}   ({source.title})"
    show_one(facts)


def _value(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[name]
    return " ".join(map(str, document)) if isinstance(document, list) else document


@app.command(
    help_epilogue="""\
Examples:

  safeconduct catalog lint
  safeconduct catalog lint ./acme.yaml --json
"""
)
def lint(
    *files: Annotated[Path, Parameter(help="Entries; all of the package by default.")],
    json: AsJson = False,
) -> int:
    """Hold entries to the schema, and say field and reason of each mistake."""
    from safeconduct.adapters.catalog import InvalidCatalog, packaged, read_entry

    chosen = files or tuple(sorted(packaged().glob("*.yaml")))
    mistakes = []
    for file in chosen:
        try:
            read_entry(file)
        except (InvalidCatalog, OSError) as error:
            mistakes.append({"file": file.name, "says": str(error)})
    if json:
        show_json({"entries": len(chosen), "mistakes": mistakes})
    else:
        for mistake in mistakes:
            print(f"✗ {mistake['says']}")
        print(f"{len(chosen) - len(mistakes)} of {len(chosen)} entries are sound.")
    return int(bool(mistakes))


@app.command(help_epilogue="Example:\n\n  safeconduct catalog schema > entry.schema.json")
def schema(*, json: AsJson = True) -> None:
    """Print the JSON Schema of an entry, for editors; it is JSON either way."""
    from safeconduct.core.upstream.json_schema import json_schema

    show_json(json_schema())


@app.command(
    help_epilogue=f"""\
{NEEDS}
Example:

  safeconduct catalog build --folder SocialiteProviders=./socialite --folder goth=./goth
"""
)
def build(
    *,
    folder: Folders = (),
    into: Annotated[Path | None, Parameter(help="Where to; the package by default.")] = None,
    json: AsJson = False,
) -> None:
    """Make the entries anew from the packages that state their facts.

    Only packages whose contents have the reviewed digest are read. Nothing is written while they
    disagree about something that the overlay does not settle.
    """
    from safeconduct.adapters.catalog import packaged
    from safeconduct.catalog_build import write

    _tell(write(_entries(folder), into or packaged()), json=json)


@app.command(
    help_epilogue="Example:\n\n"
    "  safeconduct catalog verify --folder SocialiteProviders=./socialite --folder goth=./goth"
)
def verify(*, folder: Folders = (), json: AsJson = False) -> int:
    """Build in a place of its own, and say which entries of the package are not what comes out."""
    from shutil import copytree
    from tempfile import TemporaryDirectory

    from safeconduct.adapters.catalog import packaged
    from safeconduct.catalog_build import write

    with TemporaryDirectory() as place:
        copy = copytree(packaged(), Path(place) / "catalog")
        done = write(_entries(folder), copy)
    _tell(done, json=json)
    return int(bool(done.written or done.removed))


def _entries(folders: tuple[str, ...]) -> Any:
    from safeconduct.catalog_build import PACKAGES, Unsettled, WrongPackage, build, gather

    given = {}
    for text in folders:
        name, found, path = text.partition("=")
        if not found or name not in {package.name for package in PACKAGES}:
            names = ", ".join(package.name for package in PACKAGES)
            raise Failed(f"--folder {text!r} is not NAME=PATH with one of {names}.")
        given[name] = Path(path)
    claims: list[Any] = []
    try:
        with progress_bar("Reading packages", len(PACKAGES)) as progress:
            for count, (package, stated) in enumerate(gather(given), 1):
                sys.stderr.write(f"{package.name} {package.version}: {len(stated)} claims\n")
                claims += stated
                progress(count)
        return build(claims)
    except WrongPackage as error:
        raise Failed(str(error)) from None
    except Unsettled as error:
        raise Failed("The overlay has to settle:", *error.conflicts) from None


def _tell(done: "Built", *, json: bool) -> None:
    facts = {
        "changed": list(done.written),
        "removed": list(done.removed),
        "unchanged": len(done.unchanged),
        "by_hand": list(done.by_hand),
    }
    if json:
        show_json(facts)
    else:
        show_one(facts)
