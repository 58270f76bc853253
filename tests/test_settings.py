"""Settings: four sources, one value, and sentences for everything that cannot be."""

from pathlib import Path
from typing import Any

import pytest

from safeconduct.settings import NAMES, Settings, SettingsError, describe, load


def problems(**flags: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load({}, flags)
    return caught.value.problems


def test_nothing_said_gives_a_server_on_loopback_with_sqlite() -> None:
    settings = load({}).settings
    assert settings.issuer == "http://127.0.0.1:8400"
    assert settings.sqlite_path == Path("data/safeconduct.db")
    assert settings.root_key == Path("data/root.key")
    assert not settings.secure


def test_defaults_follow_what_they_depend_on(tmp_path: Path) -> None:
    settings = load({}, {"host": "::1", "port": 9000, "data_dir": tmp_path}).settings
    assert settings.issuer == "http://[::1]:9000"
    assert settings.sqlite_path == tmp_path / "safeconduct.db"
    assert load({}, {"issuer": "https://id.example"}).settings.smtp_from == "no-reply@id.example"


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "safeconduct.toml"
    file.write_text('port = 1001\nhost = "127.0.0.2"\nlog_level = "debug"\n')
    environ = {"SAFECONDUCT_PORT": "1002", "SAFECONDUCT_HOST": "127.0.0.3"}
    settings = load(environ, {"port": 1003, "host": None}, file).settings
    assert (settings.port, settings.host, settings.log_level) == (1003, "127.0.0.3", "debug")


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "safeconduct.toml"
    file.write_text("port = 1001\n")
    loaded = load({"SAFECONDUCT_CONFIG": str(file)})
    assert loaded.settings.port == 1001
    assert loaded.warnings == ()


def test_an_unknown_variable_is_a_warning() -> None:
    loaded = load({"SAFECONDUCT_PROT": "8400", "SAFECONDUCT_PORT": "8401", "OTHER": "x"})
    assert loaded.settings.port == 8401
    assert loaded.warnings == (
        "SAFECONDUCT_PROT is not a setting and has no effect. Did you mean SAFECONDUCT_PORT?",
    )


def test_an_unknown_key_of_the_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "safeconduct.toml"
    file.write_text("egress_alow = []\n")
    with pytest.raises(SettingsError, match="Did you mean egress_allow"):
        load({}, config=file)
    file.write_text("egress_allow = []\n")
    assert load({}, config=file).settings.egress_allow == ()


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "safeconduct.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load({}, config=file)
    with pytest.raises(SettingsError, match="Cannot read"):
        load({}, config=tmp_path / "absent.toml")


def test_lists_are_separated_by_commas_or_blanks() -> None:
    environ = {"SAFECONDUCT_EGRESS_ALLOW": "127.0.0.1, 10.0.0.0/8 provider.internal"}
    allowed = load(environ).settings.egress_allow
    assert allowed == ("127.0.0.1", "10.0.0.0/8", "provider.internal")


def test_more_workers_need_postgres() -> None:
    (sentence,) = problems(workers=2)
    assert "PostgreSQL" in sentence
    settings = load({}, {"workers": 2, "database": "postgresql://u@localhost/db"}).settings
    assert (settings.workers, settings.sqlite_path) == (2, None)


@pytest.mark.parametrize(
    "issuer", ["http://example.com", "http://10.0.0.1", "http://127.0.0.1.example.com"]
)
def test_a_plain_http_issuer_is_only_for_loopback(issuer: str) -> None:
    (sentence,) = problems(issuer=issuer)
    assert "Plain http" in sentence


@pytest.mark.parametrize(
    "issuer",
    ["http://127.0.0.1", "http://[::1]:8400", "http://localhost:1", "https://id.example:8443"],
)
def test_an_issuer_is_an_origin(issuer: str) -> None:
    assert load({}, {"issuer": issuer}).settings.issuer == issuer
    for more in ("/", "/path", "?q", "#f"):
        (sentence,) = problems(issuer=issuer + more)
        assert "not an origin" in sentence


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ({"port": 0}, "65535"),
        ({"port": "eighty"}, "whole number"),
        ({"workers": 0}, "less than 1"),
        ({"log_level": "loud"}, "one of debug"),
        ({"issuer": "ftp://127.0.0.1"}, "not an origin"),
        ({"issuer": "https://user@id.example"}, "not an origin"),
        ({"issuer": "https://id.example:x"}, "not an origin"),
        ({"database": "mysql://h/db"}, "neither sqlite"),
        ({"tls_cert": __file__, "issuer": "https://id.example"}, "belong together"),
        ({"tls_cert": __file__, "tls_key": __file__, "issuer": "http://127.0.0.1"}, "is http"),
        ({"egress_ca": "/nonexistent.pem"}, "not a file"),
        ({"trusted_proxies": ("proxy.example",)}, "neither an address"),
        ({"egress_allow": ("http://x/",)}, "neither a host"),
        ({"simulators": "127.0.0.1:8401"}, "not an origin"),
        ({"smtp_url": "mail.example"}, "smtp://"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(flags: dict[str, Any], word: str) -> None:
    assert any(word in sentence for sentence in problems(**flags))


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(port=0, workers=0)) == 2


def test_secrets_do_not_show() -> None:
    flags = {"smtp_url": "smtp://u:hunter2@mail.example", "database": "postgresql://u:hunter3@h/d"}
    settings = load({}, flags).settings
    assert "hunter" not in repr(settings)
    assert settings.smtp_url is not None
    assert settings.smtp_url.reveal().startswith("smtp://u:hunter2@")
    assert "hunter4" not in " ".join(problems(database="mysql://u:hunter4@h/d"))
    assert "hunter5" not in " ".join(problems(smtp_url="smtp:u:hunter5@h"))


def test_every_setting_says_what_it_is_for() -> None:
    assert tuple(Settings.__struct_fields__) == NAMES
    assert all(describe(name).endswith(".") for name in NAMES)
