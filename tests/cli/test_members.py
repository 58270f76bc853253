"""`safeconduct members`, `teams`, and the keys of members."""

from tests.cli.conftest import Run

ADA = "ada@example.com"


def test_an_organisation_from_the_command_line(run: Run) -> None:
    run("users", "create", "--email", ADA, "--json")
    team = run("teams", "create", "Design Work", "--json").json
    assert (team["number"], team["slug"]) == (1, "design-work")
    lead = run("members", "set", ADA, "--role", "ADMIN", "--team", "design-work", "--json").json
    assert (lead["role"], lead["team_id"]) == ("ADMIN", team["id"])
    assert run("members", "list", "--json").json == {"members": []}
    shown = run("members", "list", "--team", "design-work", "--json").json["members"]
    assert [one["role"] for one in shown] == ["ADMIN"]
    assert run("members", "remove", ADA, "--team", "design-work", "--json").json["removed"]
    assert run("members", "remove", ADA).status == 1
    assert run("teams", "create", "Design work").status == 1  # the slug is taken
    assert run("teams", "delete", "design-work", "--json").json["deleted"]
    assert run("teams", "list", "--json").json == {"teams": []}
    assert run("members", "list", "--team", "design-work").status == 1


def test_a_members_key_makes_a_member(run: Run) -> None:
    run("users", "create", "--email", ADA, "--json")
    key = run("api-keys", "create", "--prefix", "cal_", "--user", ADA, "--json").json
    assert key["key"].startswith("cal_")
    assert [one["role"] for one in run("members", "list", "--json").json["members"]] == ["OWNER"]
    run("members", "set", ADA, "--role", "MEMBER")
    run("api-keys", "create", "--prefix", "cal_", "--user", ADA)  # a member stays what they are
    assert [one["role"] for one in run("members", "list", "--json").json["members"]] == ["MEMBER"]
    run("api-keys", "create", "--prefix", "cal_", "--user", ADA, "--role", "ADMIN")
    assert [one["role"] for one in run("members", "list", "--json").json["members"]] == ["ADMIN"]
    run("api-keys", "create", "--user", ADA)  # a key of the platform API says nothing of it
    assert [one["role"] for one in run("members", "list", "--json").json["members"]] == ["ADMIN"]
