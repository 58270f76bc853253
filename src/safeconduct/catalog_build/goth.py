"""markbates/goth (MIT): one Go package for each provider, with its addresses as constants."""

import re
from collections.abc import Iterator
from pathlib import Path

from safeconduct.catalog_build.claims import CODE, Claim, claims

PACKAGE = "goth"
_CONSTANT = re.compile(
    r'^\s*(?:const\s+|var\s+)?(authURL|tokenURL|AuthURL|TokenURL)\s+(?:string\s*)?=\s*"(https://[^"%]+)"',
    re.MULTILINE,
)


def extract(folder: Path) -> Iterator[Claim]:
    for place in sorted((folder / "providers").iterdir()):
        text = "".join(file.read_text() for file in sorted(place.glob("*.go")) if _ours(file))
        named = {name.lower(): url for name, url in _CONSTANT.findall(text)}
        if {"authurl", "tokenurl"} <= named.keys() and "mrjones/oauth" not in text:
            yield from claims(
                PACKAGE,
                place.name,
                {
                    f"{CODE}.authorize_url": named["authurl"],
                    f"{CODE}.token_url": named["tokenurl"],
                },
            )


def _ours(file: Path) -> bool:
    return not file.name.endswith("_test.go")
