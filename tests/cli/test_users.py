"""`safeconduct users`: people as an operator sees them."""

import io

import pytest
from tests.cli.conftest import Run


def created(run: Run, email: str = "ada@example.com", *more: str) -> dict[str, object]:
    done = run("users", "create", "--email", email, *more, "--json")
    assert done.status == 0, done.err
    made: dict[str, object] = done.json
    return made


def test_create_and_find_by_any_name(run: Run) -> None:
    made = created(run, "Ada@Example.com", "--name", "Ada Lovelace", "--role", "admin")
    assert (made["email"], made["name"], made["role"]) == (
        "ada@example.com",
        "Ada Lovelace",
        "admin",
    )
    for who in (str(made["id"]), "ada@example.com", "ADA@example.com"):
        assert run("users", "show", who, "--json").json["id"] == made["id"]
    nobody = run("users", "show", "bob@example.com")
    assert (nobody.status, nobody.err) == (1, "Error: There is no user 'bob@example.com'.\n")


def test_a_phone_number_besides(run: Run) -> None:
    made = created(run, "ada@example.com", "--phone", "+1 202 555 0142")
    assert (made["email"], made["phone"]) == ("ada@example.com", "+12025550142")
    assert run("users", "show", "+12025550142", "--json").json["id"] == made["id"]
    taken = run("users", "create", "--email", "bob@example.com", "--phone", "+12025550142")
    assert (taken.status, "Another user" in taken.err) == (1, True)
    wrong = run("users", "create", "--email", "bob@example.com", "--phone", "555")
    assert wrong.status == 1
    assert run("users", "show", "bob@example.com").status == 1


def test_a_profile_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    created(run)
    monkeypatch.setattr("sys.stdin", io.StringIO('{"birthdate": "1815-12-10"}'))
    changed = run("users", "update", "ada@example.com", "--name", "Ada King", "--profile", "-")
    assert changed.status == 0, changed.err
    shown = run("users", "show", "ada@example.com", "--json").json
    assert (shown["name"], shown["profile"]) == ("Ada King", {"birthdate": "1815-12-10"})
    monkeypatch.setattr("sys.stdin", io.StringIO('{"sub": "usr_other"}'))
    wrong = run("users", "update", "ada@example.com", "--profile", "-")
    assert (wrong.status, "profile.sub" in wrong.err) == (1, True)


def test_an_address_belongs_to_one_person(run: Run) -> None:
    created(run)
    again = run("users", "create", "--email", "ada@example.com")
    assert again.status == 1
    assert "Another user" in again.err
    created(run, "bob@example.com")


def test_a_password_can_come_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert created(run)["has_password"] is False
    monkeypatch.setattr("sys.stdin", io.StringIO("a long enough passphrase\n"))
    made = created(run, "bob@example.com", "--password", "-")
    assert made["has_password"] is True


def test_disable_and_enable(run: Run) -> None:
    created(run)
    assert run("users", "disable", "ada@example.com", "--json").json["status"] == "disabled"
    assert run("users", "enable", "ada@example.com", "--json").json["status"] == "active"


def test_a_new_password_for_somebody(run: Run) -> None:
    created(run)
    done = run("users", "set-password", "ada@example.com", "--password", "correct horse battery")
    assert done.status == 0, done.err
    assert run("users", "show", "ada@example.com", "--json").json["has_password"] is True


def test_pages_of_users(run: Run) -> None:
    made = [created(run, f"user{n}@example.com")["id"] for n in range(3)]
    page = run("users", "list", "--limit", "2", "--json").json["users"]
    rest = run("users", "list", "--after", page[-1]["id"], "--json").json["users"]
    assert [user["id"] for user in page + rest] == made


def test_a_user_who_has_lost_the_second_factor(run: Run) -> None:
    assert created(run)["has_authenticator"] is False
    done = run("users", "reset-second-factor", "ada@example.com", "--json")
    assert (done.json["removed"], done.json["email"]) == (False, "ada@example.com")
    unknown = run("users", "reset-second-factor", "nobody@example.com")
    assert unknown.status == 1


def test_addresses_and_numbers(run: Run) -> None:
    created(run)
    ada, work = "ada@example.com", "ada@work.example"
    added = run("users", "add-identifier", ada, work, "--json").json
    assert [one["value"] for one in added["identifiers"]] == [ada, work]
    assert added["email"] == ada
    unproven = run("users", "add-identifier", ada, "+4915123456789", "--unverified", "--json").json
    assert [one["verified"] for one in unproven["identifiers"]] == [True, True, False]
    assert run("users", "prefer-identifier", ada, "+4915123456789").status == 1
    first = run("users", "prefer-identifier", ada, work, "--json").json
    assert first["email"] == work
    left = run("users", "remove-identifier", work, ada, "--json").json
    assert [one["value"] for one in left["identifiers"]] == [work, "+4915123456789"]
    assert run("users", "remove-identifier", work, work).status == 1
    assert run("users", "add-identifier", work, "nonsense").status == 1
