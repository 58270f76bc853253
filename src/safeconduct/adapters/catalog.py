"""YAML → core.upstream.provider: one file a provider, read strictly, or no start at all."""

from collections.abc import Hashable, Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

import yaml

from safeconduct.core.upstream.provider import Provider, read_provider
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.simulated import simulated

MAX_BYTES = 1 << 20


class InvalidCatalog(Exception):
    """A catalogue file breaks the schema; the message names file, field and reason."""

    def __init__(self, file: str, where: str, reason: str) -> None:
        at = f"{file}, {where}" if where else file
        super().__init__(f"The provider catalogue cannot be used: {at}: {reason}.")


class Catalog:
    """The entries, frozen after start."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        ordered = sorted(providers, key=lambda provider: (provider.name.lower(), provider.id))
        self._by_id: Mapping[str, Provider] = MappingProxyType({p.id: p for p in ordered})

    def get(self, provider_id: str) -> Provider | None:
        return self._by_id.get(provider_id)

    def all(self) -> tuple[Provider, ...]:
        return tuple(self._by_id.values())

    def with_simulators(self, base_url: str) -> "Catalog":
        """The same entries with every URL below `{base_url}/{provider}`."""
        return Catalog(simulated(provider, base_url) for provider in self.all())


def load_catalog(folder: Traversable | None = None) -> Catalog:
    """Read every `*.yaml` of the folder (the package's own by default); the stem is the id."""
    found: dict[str, Provider] = {}
    for file in sorted((folder or _packaged()).iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".yaml"):
            continue
        provider = _entry(file)
        twin = found.setdefault(provider.id.lower(), provider)
        if twin is not provider:
            raise InvalidCatalog(file.name, "field id", f"differs from {twin.id} only in case")
    return Catalog(found.values())


def _packaged() -> Traversable:
    return files("safeconduct") / "catalog"


def _entry(file: Traversable) -> Provider:
    document = _document(file)
    try:
        provider = read_provider(document)
    except InvalidEntry as error:
        where = f"field {error.field}" if error.field else ""
        raise InvalidCatalog(file.name, where, error.reason) from None
    if f"{provider.id}.yaml" != file.name:
        raise InvalidCatalog(file.name, "field id", f"must be the file's name, not {provider.id}")
    return provider


def _document(file: Traversable) -> Any:
    raw = file.read_bytes()
    if len(raw) > MAX_BYTES:
        raise InvalidCatalog(file.name, "", "is larger than 1 MiB")
    try:
        return yaml.load(raw, _StrictLoader)  # noqa: S506 (it derives from the safe loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f"line {mark.line + 1}" if mark else ""
        raise InvalidCatalog(file.name, at, error.problem or "is not YAML") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise InvalidCatalog(file.name, "", "is not YAML") from None


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast


class _StrictLoader(_Safe):  # type: ignore[misc]
    """Safe YAML without its trap: a key given twice is refused."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # refused below: not hashable
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return made
