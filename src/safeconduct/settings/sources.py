"""Where settings come from: flags, environment and one optional TOML file, read once.

Flags win over `SAFECONDUCT_…` variables, those over the file, that over the defaults. A variable
that is not known is a warning (it may belong to a newer version), a key of the file that is not
known is an error (it is a misspelling).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import quote, urlsplit

import msgspec

from safeconduct.core.secret import Secret
from safeconduct.settings.problems import is_loopback, problems_of
from safeconduct.settings.schema import NAMES, TYPES, Settings

PREFIX = "SAFECONDUCT_"


class SettingsError(Exception):
    """One or more settings cannot be used; each problem is a sentence for the operator."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Loaded:
    settings: Settings
    warnings: tuple[str, ...]


def load(
    environ: Mapping[str, str],
    flags: Mapping[str, Any] | None = None,
    config: Path | None = None,
) -> Loaded:
    """Read all three sources. Flags that are None were not given."""
    if config is None and environ.get(PREFIX + "CONFIG"):
        config = Path(environ[PREFIX + "CONFIG"])
    raw = _read_file(config) if config is not None else {}
    where = dict.fromkeys(raw, f"{config}: ")
    for name, text in _variables(environ):
        raw[name], where[name] = text, PREFIX + name.upper() + ": "
    for name, value in (flags or {}).items():
        if value is not None and value != ():
            raw[name], where[name] = value, "--" + name.replace("_", "-") + ": "
    settings = _complete(_decode(raw, where))
    problems = tuple(problems_of(settings))
    if problems:
        raise SettingsError(*problems)
    return Loaded(settings, (*_warnings(environ), *_warnings_about(settings)))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    unknown = [key for key in found if key not in NAMES]
    if unknown:
        raise SettingsError(
            *(f"{path}: there is no setting {key!r}.{_meant(key)}" for key in unknown)
        )
    return found


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in NAMES:
        text = environ.get(PREFIX + name.upper(), "").strip()
        if text:
            yield name, text


def _warnings(environ: Mapping[str, str]) -> Iterator[str]:
    known = {PREFIX + name.upper() for name in NAMES} | {PREFIX + "CONFIG"}
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known:
            meant = _meant(variable.removeprefix(PREFIX).lower(), PREFIX)
            yield f"{variable} is not a setting and has no effect.{meant}"


def _warnings_about(settings: Settings) -> Iterator[str]:
    if settings.ciba_test_hook is not None:
        yield "ciba_test_hook is set: whoever knows it says yes to any app in anybody's name."


def _meant(name: str, prefix: str = "") -> str:
    close = get_close_matches(name, NAMES, n=1)
    if not close:
        return ""
    return f" Did you mean {prefix + close[0].upper() if prefix else close[0]}?"


def _decode(raw: Mapping[str, Any], where: Mapping[str, str]) -> Settings:
    values, problems = {}, []
    for name, value in raw.items():
        kind = TYPES[name]
        if get_origin(kind) is tuple and isinstance(value, str):
            value = [part for part in re.split(r"[,\s]+", value) if part]
        try:
            values[name] = msgspec.convert(value, kind, strict=False, dec_hook=_from_text)
        except msgspec.ValidationError:
            problems.append(f"{where[name]}expected {_expected(kind)}, not {value!r}.")
    if problems:
        raise SettingsError(*problems)
    return Settings(**values)


def _from_text(kind: type[Any], value: Any) -> Any:
    if kind in (Path, Secret) and isinstance(value, str | Path):
        return kind(value)
    raise TypeError(f"a text was expected, not {value!r}")


def _expected(kind: Any) -> str:
    if kind in (int, bool):
        return "a whole number" if kind is int else "true or false"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return "a list of texts" if get_origin(kind) is tuple else "a text"


def _complete(settings: Settings) -> Settings:
    """Fill in the defaults that follow from other settings."""
    scheme = "https" if settings.tls_cert else "http"
    host = settings.host if is_loopback(settings.host) else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    issuer = settings.issuer or f"{scheme}://{host}:{settings.port}"
    own = quote(str(settings.data_dir / "safeconduct.db"))
    database = settings.database or f"sqlite:///{own}"
    sender = settings.smtp_from or f"no-reply@{urlsplit(issuer).hostname or 'localhost'}"
    return msgspec.structs.replace(settings, issuer=issuer, database=database, smtp_from=sender)
