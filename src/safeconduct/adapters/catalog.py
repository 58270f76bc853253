"""YAML → core.upstream.provider: one file a provider, read strictly."""

from collections.abc import Callable, Hashable, Iterable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from safeconduct.core.upstream.provider import Provider, read_provider
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.simulated import simulated

MAX_BYTES = 1 << 20
MAX_DEPTH = 32


class InvalidCatalog(Exception):
    """A catalogue file breaks the schema; the message names file, field and reason."""

    def __init__(self, file: str, where: str, reason: str) -> None:
        at = f"{file}, {where}" if where else file
        super().__init__(f"The provider catalogue cannot be used: {at}: {reason}.")


class Catalog:
    """The entries, read when they are asked for and kept."""

    def __init__(self, ids: Iterable[str], read: Callable[[str], Provider]) -> None:
        self._ids, self._read = tuple(ids), read
        self._twins = {id.lower(): id for id in self._ids}
        self._found: dict[str, Provider] = {}
        self._all: tuple[Provider, ...] | None = None

    @classmethod
    def of(cls, providers: Iterable[Provider]) -> "Catalog":
        """A catalogue of these entries."""
        found = {provider.id: provider for provider in providers}
        return cls(found, found.__getitem__)

    def get(self, provider_id: str) -> Provider | None:
        found = self._found.get(provider_id)
        if found is None and self._twins.get(provider_id.lower()) == provider_id:
            found = self._found[provider_id] = self._read(provider_id)
        return found

    def twin(self, provider_id: str) -> str | None:
        return self._twins.get(provider_id.lower())

    def parse(self, text: bytes) -> object:
        """As a file of the catalogue is read; from strangers, so without what can explode."""
        try:
            _check_plain(text)
            return yaml.load(text, _StrictLoader)  # noqa: S506 (it derives from the safe loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            at = f"line {mark.line + 1}: " if mark else ""
            raise ValueError(f"{at}{error.problem or 'is not YAML'}") from None
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
            raise ValueError("is not YAML") from None

    def all(self) -> tuple[Provider, ...]:
        """Every entry, by name. The first call reads hundreds of files, for a third of a second."""
        if self._all is None:
            found = [provider for id in self._ids if (provider := self.get(id))]
            found.sort(key=lambda provider: (provider.name.lower(), provider.id))
            self._all = tuple(found)
        return self._all

    def with_simulators(self, base_url: str) -> "Catalog":
        """The same entries with every URL below `{base_url}/{provider}`."""

        def turned(id: str) -> Provider:
            found = self.get(id)
            assert found is not None
            return simulated(found, base_url)

        return Catalog(self._ids, turned)


def load_catalog(folder: Traversable | None = None) -> Catalog:
    """Every `*.yaml` of the folder; the stem is the id.

    The package's own folder (by default) was read as a whole when the package was tested; here
    its entries are read as they are needed, since a deployment uses a few of hundreds, and once.
    """
    if folder is None:
        return _of_the_package()
    return Catalog.of(_entry(folder / f"{id}.yaml") for id in _ids(folder))


@cache
def _of_the_package() -> Catalog:
    packaged = _packaged()
    return Catalog(_ids(packaged), lambda id: _entry(packaged / f"{id}.yaml"))


def _ids(folder: Traversable) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in sorted(file.name for file in folder.iterdir()):
        if name.endswith(".yaml"):
            id = name.removesuffix(".yaml")
            twin = found.setdefault(id.lower(), id)
            if twin != id:
                raise InvalidCatalog(name, "field id", f"differs from {twin} only in case")
    return tuple(found.values())


def packaged() -> Path:
    """The folder of the entries that come with the package."""
    return Path(str(_packaged()))


def read_entry(file: Path) -> Provider:
    """One entry by its file; `InvalidCatalog` says field and reason."""
    return _entry(file)


def document_of(id: str) -> Any:
    """What the file of a packaged entry says, unread."""
    return read_document(_packaged() / f"{id}.yaml")


def _packaged() -> Traversable:
    return files("safeconduct") / "catalog"


def _entry(file: Traversable) -> Provider:
    document = read_document(file)
    try:
        provider = read_provider(document)
    except InvalidEntry as error:
        where = f"field {error.field}" if error.field else ""
        raise InvalidCatalog(file.name, where, error.reason) from None
    if f"{provider.id}.yaml" != file.name:
        raise InvalidCatalog(file.name, "field id", f"must be the file's name, not {provider.id}")
    return provider


def read_document(file: Traversable) -> Any:
    """Strict YAML of our own: `InvalidCatalog` says the line, and no key may be given twice."""
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


def _check_plain(text: bytes) -> None:
    """An alias can stand for more than any memory holds; what is too deep can end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Safe):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("holds aliases, which are not taken")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError("is nested too deep")


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
