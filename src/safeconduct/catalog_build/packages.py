"""The packages that facts are taken from: which version, and the digest of what was read.

A package is fetched by its registry's own client (`npm pack`, `pip download`); the two that are in
no registry are given as folders. Either way the digest over the files decides, so that the same
catalogue comes out everywhere.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from safeconduct.catalog_build import (
    allauth,
    arctic,
    authjs,
    chains,
    exchanges,
    goth,
    grant,
    social,
    socialite,
)
from safeconduct.catalog_build.claims import Claim, Extract


class WrongPackage(Exception):
    """A package is not the one whose claims were reviewed, or could not be had."""


@dataclass(frozen=True, slots=True)
class Package:
    """`digest` is over the names and bytes of the files that match `reads`."""

    name: str
    version: str
    licence: str
    registry: Literal["npm", "PyPI", "folder"]
    reads: tuple[str, ...]
    digest: str
    extract: Extract
    title: str

    def claims(self, folder: Path) -> Iterator[Claim]:
        """What it says; `WrongPackage` if it is another."""
        found = digest(folder, self.reads)
        if found != self.digest:
            raise WrongPackage(f"{self.name} {self.version}: its files have the digest {found}")
        return self.extract(folder)


PACKAGES = (
    Package(
        "grant",
        "5.4.24",
        "MIT",
        "npm",
        ("config/*.json", "lib/flow/*.js"),
        "8cfd155be5f066f5de212c5631d614011aad4d5543b72d306bbbbcae8959aff6",
        grant.extract,
        "grant, OAuth proxy for Node",
    ),
    Package(
        "@auth/core",
        "0.41.3",
        "ISC",
        "npm",
        ("providers/*.js",),
        "9c3fc7ab93b22ff23496156dfcf8db64b9a5a5040f35a04c40e2f3071664ac88",
        authjs.extract,
        "Auth.js core, its providers",
    ),
    Package(
        "arctic",
        "3.7.0",
        "MIT",
        "npm",
        ("dist/providers/*.js",),
        "b32c94fff72e524e844a4ebf4903928f489d699cd423bc58d4e44c3fc30e1210",
        arctic.extract,
        "Arctic, OAuth clients for JavaScript",
    ),
    Package(
        "social-auth-core",
        "7.0.0",
        "BSD-3-Clause",
        "PyPI",
        ("social_core/backends/*.py",),
        "8807dbf87d837b23e75cdcc217c6249268309fc1d7a5bc32872d3e3701162ce7",
        social.extract,
        "Python Social Auth, its backends",
    ),
    Package(
        "django-allauth",
        "65.21.1",
        "MIT",
        "PyPI",
        ("allauth/socialaccount/providers/*/*.py",),
        "3d6fdab0da3001770e63c406045486f7bfe46e62371c55f4cff4c9d9cee5403d",
        allauth.extract,
        "django-allauth, its social providers",
    ),
    Package(
        "SocialiteProviders",
        "47679c144d6b831ae900d235f044bf243119890c",
        "MIT",
        "folder",
        ("src/*/Provider.php",),
        "48cd2d5580f97958394510bc2e64d5ec384d8bc5e9b2ec7190db16d95e66b015",
        socialite.extract,
        "Socialite Providers for Laravel",
    ),
    Package(
        "goth",
        "9c7a2826a6e2a481a2947b6746ab454d0f82a565",
        "MIT",
        "folder",
        ("providers/*/*.go",),
        "384da9b9f6be73d001aeec2bf9ca9131aba9a80514560e55e03090d8d75eec76",
        goth.extract,
        "Goth, authentication for Go",
    ),
    Package(
        "ccxt",
        "4.5.64",
        "MIT",
        "PyPI",
        ("ccxt/*.py", "ccxt/base/*.py", "ccxt/abstract/*.py"),
        "100af8d11b69b52ada8f6148d794a529dbaa190f4a406a98d786b4626f39cc2b",
        exchanges.extract,
        "ccxt, one interface for many exchanges",
    ),
    Package(
        "viem",
        "2.57.20",
        "MIT",
        "npm",
        ("_esm/chains/definitions/*.js",),
        "d4e04e2e7981c98d44219580379d69a89f606d3e19aac1b954bf07c2a1d71c8b",
        chains.extract,
        "viem, its chains",
    ),
)
"""Those in `folder` are repositories on GitHub, SocialiteProviders/Providers and markbates/goth, at
the commit that stands as their version."""


def gather(folders: Mapping[str, Path]) -> Iterator[tuple[Package, tuple[Claim, ...]]]:
    """The claims of every package; those not in `folders` are fetched."""
    for package in PACKAGES:
        if package.name in folders:
            yield package, tuple(package.claims(folders[package.name]))
            continue
        with TemporaryDirectory() as place:
            yield package, tuple(package.claims(_fetch(package, Path(place))))


def digest(folder: Path, reads: tuple[str, ...]) -> str:
    """SHA-256 over the names and bytes of the files that are read."""
    made = sha256()
    for file in sorted({file for form in reads for file in folder.glob(form)}):
        name, body = file.relative_to(folder).as_posix().encode(), file.read_bytes()
        made.update(b"%d %d\0" % (len(name), len(body)) + name + body)
    return made.hexdigest()


def _fetch(package: Package, place: Path) -> Path:
    if package.registry == "npm":
        _run("npm", "pack", f"{package.name}@{package.version}", cwd=place)
        folder = "package"
    elif package.registry == "PyPI":
        wanted = f"{package.name}=={package.version}"
        _run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", wanted, cwd=place)
        folder = "."
    else:
        raise WrongPackage(
            f"{package.name} is in no registry: name its folder with --folder {package.name}=PATH "
            f"(its repository at commit {package.version})"
        )
    archive = next(place.iterdir())
    shutil.unpack_archive(archive, place / "in", "zip" if archive.suffix == ".whl" else "gztar")
    return place / "in" / folder


def _run(*command: str, cwd: Path) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)  # noqa: S603 -- names and versions of our own list
    except (OSError, subprocess.CalledProcessError) as error:
        raise WrongPackage(f"{' '.join(command[:3])} did not work: {error}") from None
