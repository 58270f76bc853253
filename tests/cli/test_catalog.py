"""`safeconduct catalog`: entries listed, shown with their sources, and held to the schema."""

import json
from pathlib import Path

import jsonschema
import yaml
from tests.cli.conftest import Run

from safeconduct.adapters.catalog import document_of, load_catalog


def test_entries_are_listed_by_category(run: Run) -> None:
    rows = run("catalog", "list", "--json").json["entries"]
    assert len(rows) == len(load_catalog().all())
    health = run("catalog", "list", "--category", "health", "--json").json["entries"]
    assert {"whoop", "fitbit"} <= {row["id"] for row in health}
    assert {row["category"] for row in health} == {"health"}
    assert "WHOOP" in run("catalog", "list", "--category", "health").out


def test_facts_are_shown_with_their_sources(run: Run) -> None:
    shown = run("catalog", "show", "xero").out
    assert "auth.oauth2_code.refresh.grace_s" in shown
    assert "1800   (Xero, OAuth 2.0 token types and refresh)" in shown
    assert run("catalog", "show", "xero", "--json").json["id"] == "xero"
    assert run("catalog", "show", "nowhere").status == 1


def test_mistakes_are_named_with_file_and_field(run: Run, tmp_path: Path) -> None:
    assert run("catalog", "lint").status == 0
    bad = document_of("xero")
    bad["auth"]["oauth2_code"]["tokenurl"] = "x"
    file = tmp_path / "xero.yaml"
    file.write_text(yaml.safe_dump(bad))
    found = run("catalog", "lint", str(file), "--json")
    assert found.status == 1
    assert "auth.oauth2_code.tokenurl" in found.json["mistakes"][0]["says"]


def test_the_schema_for_editors_takes_every_entry_and_no_typing_error(run: Run) -> None:
    schema = run("catalog", "schema").json
    validator = jsonschema.Draft202012Validator(schema)
    for entry in load_catalog().all():
        validator.validate(json.loads(json.dumps(document_of(entry.id), default=str)))
    bad = {**document_of("xero"), "nmae": "Xero"}
    assert not validator.is_valid(bad)


def test_a_folder_must_be_of_a_known_package(run: Run, tmp_path: Path) -> None:
    refused = run("catalog", "build", "--folder", f"nango={tmp_path}", "--into", str(tmp_path))
    assert refused.status == 1
    assert "SocialiteProviders" in refused.err
