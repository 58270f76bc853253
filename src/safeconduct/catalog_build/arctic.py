"""npm `arctic` (MIT): one small class for each provider, with its addresses as constants."""

import re
from collections.abc import Iterator
from pathlib import Path

from safeconduct.catalog_build.claims import CODE, Claim, claims

PACKAGE = "arctic"
_CONSTANT = re.compile(r'^const (\w+) = "(https://[^"]+)";', re.MULTILINE)


def extract(folder: Path) -> Iterator[Claim]:
    for file in sorted((folder / "dist" / "providers").glob("*.js")):
        text = file.read_text()
        named = dict(_CONSTANT.findall(text))
        if "authorizationEndpoint" not in named or "tokenEndpoint" not in named:
            continue
        revocation = named.get("tokenRevocationEndpoint")
        yield from claims(
            PACKAGE,
            file.stem,
            {
                f"{CODE}.authorize_url": named["authorizationEndpoint"],
                f"{CODE}.token_url": named["tokenEndpoint"],
                f"{CODE}.pkce": "S256" if "CodeChallengeMethod.S256" in text else None,
                f"{CODE}.revocation.url": revocation,
            },
        )
