"""The catalogue's files: read strictly, or the server does not start and says why."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.core.upstream.entries import document

from safeconduct.adapters.catalog import InvalidCatalog, load_catalog


def written(folder: Path, file: str = "acme.yaml", text: str | None = None, **changes: Any) -> Path:
    (folder / file).write_text(text if text is not None else yaml.safe_dump(document(**changes)))
    return folder


def test_the_packaged_catalogue_is_sound() -> None:
    catalog = load_catalog()
    provider = catalog.get("exchangeExample")
    assert provider in catalog.all()
    assert catalog.get("exchangeexample") is None
    assert catalog.get("") is None


def test_entries_are_listed_by_name(tmp_path: Path) -> None:
    written(tmp_path, "b.yaml", id="b", name="alpha")
    written(tmp_path, "a.yaml", id="a", name="Beta")
    (tmp_path / "README.md").write_text("not an entry")
    assert [provider.id for provider in load_catalog(tmp_path).all()] == ["b", "a"]


def test_simulators_replace_every_url(tmp_path: Path) -> None:
    catalog = load_catalog(written(tmp_path)).with_simulators("http://127.0.0.1:9")
    provider = catalog.get("acme")
    assert provider is not None
    assert all(url.startswith("http://127.0.0.1:9/acme/") for _, url in provider.templates())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id: acme\nid: acme\n", "acme.yaml, line 2: the key id is given twice."),
        ("id: [", "acme.yaml, line 2: did not find expected node content."),
        ("? [a]\n: b\n", "acme.yaml, line 1: found unhashable key."),
        ("!!python/object/apply:os.system [id]\n", "acme.yaml, line 1: could not determine"),
        ("- acme\n", "acme.yaml: must be a mapping."),
        ("", "acme.yaml: must be a mapping."),
        ("\x00", "acme.yaml: is not YAML."),
        ("# " + "x" * (1 << 20), "acme.yaml: is larger than 1 MiB."),
        (yaml.safe_dump(document(nmae="x")), "acme.yaml, field nmae: is not a known key (did"),
        (yaml.safe_dump(document(id="other")), "acme.yaml, field id: must be the file's name"),
    ],
)
def test_a_mistake_names_file_and_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidCatalog) as caught:
        load_catalog(written(tmp_path, text=text))
    assert str(caught.value).startswith(f"The provider catalogue cannot be used: {message}")
    assert load_catalog(written(tmp_path)).get("acme") is not None


def test_ids_that_differ_in_case_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, "ACME.yaml", id="ACME")
    with pytest.raises(InvalidCatalog, match="only in case"):
        load_catalog(tmp_path)
