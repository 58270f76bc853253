"""Options that many commands share, and how they become settings."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from safeconduct.cli.show import warn
from safeconduct.settings import Settings, load

SHARED = Group("Shared options", sort_key=100)


@Parameter(name="*", group=SHARED)
@dataclass(frozen=True, kw_only=True)
class Where:
    """Which deployment a command works on."""

    database: Annotated[
        str | None, Parameter(help="sqlite:///file or postgresql://user@host/name.")
    ] = None
    data_dir: Annotated[Path | None, Parameter(help="Where the root key lies.")] = None
    config: Annotated[Path | None, Parameter(help="TOML file with settings.")] = None
    tenant: Annotated[
        str | None, Parameter(help="Slug, host or id of the tenant; the first one without.")
    ] = None
    json: Annotated[bool, Parameter(help="Print one JSON document.", negative=())] = False

    def settings(self, **flags: Any) -> Settings:
        """Settings from these flags, further flags, the environment and the file."""
        flags = {"database": self.database, "data_dir": self.data_dir, **flags}
        loaded = load(os.environ, flags, self.config)
        for sentence in loaded.warnings:
            warn(sentence)
        return loaded.settings


HERE = Where()
