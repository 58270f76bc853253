"""Claims become entries: agreement, disagreement, decisions; and the files that come of it."""

from pathlib import Path
from typing import Any

import pytest

from safeconduct import catalog_build
from safeconduct.adapters.catalog import InvalidCatalog, packaged, read_document, read_entry
from safeconduct.catalog_build import MADE, Unsettled, WrongPackage, build, write
from safeconduct.catalog_build.claims import CODE, SIGNED, Claim
from safeconduct.catalog_build.merge import merge
from safeconduct.catalog_build.overlay import Decision, Overlay, read_overlay
from safeconduct.catalog_build.packages import PACKAGES, digest, gather

AUTHORIZE, TOKEN = f"{CODE}.authorize_url", f"{CODE}.token_url"
BOTH = {AUTHORIZE: "https://acme.test/a", TOKEN: "https://acme.test/t"}


def says(package: str, provider: str = "acme", **facts: Any) -> list[Claim]:
    stated = {**BOTH, **{name.replace("__", "."): value for name, value in facts.items()}}
    return [Claim(package, provider, path, value) for path, value in stated.items()]


def overlay(**given: Any) -> Overlay:
    blank: dict[str, Any] = {
        "same": {}, "left_out": {}, "names": {}, "categories": {}, "sources": {}, "settled": {}
    }  # fmt: skip
    return Overlay(**{**blank, **given})


def test_packages_that_agree_need_no_decision() -> None:
    claims = [*says("grant"), *says("goth", "Acme-OAuth2", name="Acme Inc.")]
    merged = merge(claims, overlay())
    assert merged.unsettled == []
    facts = merged.entries["acme"]
    assert (facts[AUTHORIZE].value, facts[AUTHORIZE].source) == (BOTH[AUTHORIZE], "grant")
    assert (facts["name"].value, facts["name"].source) == ("Acme Inc.", "goth")


def test_a_disagreement_stops_the_build_until_it_is_settled() -> None:
    other = [
        Claim(c.package, c.provider, c.path, f"{c.value}2" if c.path == TOKEN else c.value)
        for c in says("goth")
    ]
    claims = [*says("grant"), *other]
    (conflict,) = merge(claims, overlay()).unsettled
    assert "https://acme.test/t (grant); https://acme.test/t2 (goth)" in conflict
    with pytest.raises(Unsettled):
        build(claims, overlay())
    decided = {"acme": {TOKEN: Decision(value="https://acme.test/t2", why="newer")}}
    merged = merge(claims, overlay(settled=decided))
    assert merged.unsettled == []
    assert merged.entries["acme"][TOKEN].source == "goth"


def test_a_decision_that_no_package_shares_needs_a_source() -> None:
    value = "https://acme.test/t3"
    alone = {"acme": {TOKEN: Decision(value=value, why="?")}}
    assert len(merge(says("grant"), overlay(settled=alone)).unsettled) == 1
    sourced = {"acme": {TOKEN: Decision(value=value, why="documented", source="vendor")}}
    merged = merge(says("grant"), overlay(settled=sourced))
    assert merged.unsettled == []
    assert merged.entries["acme"][TOKEN].source == "vendor"


def test_a_fact_can_be_taken_back() -> None:
    nothing = {"acme": {f"{CODE}.scopes": Decision(value=None, why="of another app")}}
    facts = merge(says("grant", auth__oauth2_code__scopes=["x"]), overlay(settled=nothing))
    assert f"{CODE}.scopes" not in facts.entries["acme"]


def test_the_identity_call_is_of_one_package_as_a_whole() -> None:
    mixed = [
        *says("grant", api__base_url="https://one.test"),
        *says("goth", api__base_url="https://two.test", identity__path="/me",
              identity__account_id=["/id"]),
    ]  # fmt: skip
    facts = merge(mixed, overlay()).entries["acme"]
    assert facts["api.base_url"].value == "https://two.test"


def test_the_overlay_that_is_kept_can_be_read() -> None:
    kept = read_overlay()
    assert kept.same["youtube"] == "google"
    assert "nest" in kept.left_out
    for provider, facts in kept.settled.items():
        for path, decision in facts.items():
            assert decision.why, (provider, path)
            known = {None, *kept.sources, *(package.name for package in PACKAGES)}
            assert decision.source in known, (provider, path)


def test_an_overlay_that_gives_one_key_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "overlay.yaml"
    file.write_text("sources:\n  docs: {title: A}\n  docs: {title: B}\n")
    with pytest.raises(InvalidCatalog, match=r"overlay\.yaml, line 3: the key docs is given twice"):
        read_document(file)


def test_files_by_hand_are_never_touched(tmp_path: Path) -> None:
    sources = {name: read_overlay().sources[name] for name in ("review", "rfc6749")}
    claims = [*says("grant"), *says("goth", "other")]
    entries = build(claims, overlay(sources=sources))
    (tmp_path / "acme.yaml").write_text("id: acme  # by hand\n")
    (tmp_path / "gone.yaml").write_text(MADE + "id: gone\n")
    done = write(entries, tmp_path)
    assert "other" in done.written
    assert (done.removed, done.by_hand) == (("gone",), ("acme",))
    assert (tmp_path / "acme.yaml").read_text() == "id: acme  # by hand\n"
    assert read_entry(tmp_path / "other.yaml").id == "other"
    again = write(entries, tmp_path)
    assert (again.written, again.removed) == ((), ())
    assert "other" in again.unchanged


def test_another_version_of_a_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "oauth.json").write_text("{}")
    with pytest.raises(WrongPackage, match="digest"):
        dict(gather({package.name: tmp_path for package in PACKAGES}))
    before = digest(tmp_path, ("config/*.json",))
    (tmp_path / "config" / "oauth.json").write_text("{} ")
    assert digest(tmp_path, ("config/*.json",)) != before


def test_there_are_hundreds_of_entries_with_both_addresses() -> None:
    files = [file for file in packaged().glob("*.yaml") if file.read_text().startswith(MADE)]
    built = [code for file in files if (code := read_entry(file).auth.oauth2_code)]
    assert len(built) >= 300
    assert all(code.authorize_url and code.token_url for code in built)


def test_every_package_is_named_in_the_notice() -> None:
    notice = (Path(catalog_build.__file__).parents[3] / "NOTICE").read_text()
    for package in PACKAGES:
        assert package.name in notice
        assert package.licence in notice


def test_oauth_1_is_kept_whole_or_not_at_all_and_not_where_it_has_ended() -> None:
    urls = {f"{SIGNED}.{name}": "https://acme.test/x" for name in ("request_url", "authorize_url")}
    whole = {**urls, f"{SIGNED}.token_url": "https://acme.test/x"}
    claims = [
        Claim("grant", provider, path, value)
        for provider, stated in (("acme", whole), ("half", urls), ("ended", whole))
        for path, value in stated.items()
    ]
    entries = merge(claims, overlay(ended={"ended": "it has"})).entries
    assert entries.keys() == {"acme"}
    assert set(entries["acme"]) == {"name", *whole}
