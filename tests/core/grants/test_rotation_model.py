"""Rotation against a model of it: any order of use, loss, theft, narrowing and waiting.

The model knows every token that was ever given and needs no cryptography: a list of generations,
of which at most two may still be answered. V2: one live leaf. V3: nothing dead comes back.
"""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from safeconduct.core.form import Form
from safeconduct.core.grants._grant import Context, Issue, Refuse, Repeat
from safeconduct.core.grants.refresh_token import GRANT
from safeconduct.core.model import AccessToken, Client, Event, TenantId, TokenFamily
from safeconduct.core.policy import Policy
from safeconduct.core.refresh_token import first_token
from safeconduct.core.registration import choose, new_client
from safeconduct.core.secret import digest
from safeconduct.core.unit import Facts, Insert, Ref, Update, UpdateAll

TENANT = TenantId("t1")
WINDOW = 30_000
DIGEST = b"d" * 32
KEYS = {"key_1": b"k" * 32, "key_2": b"l" * 32}
SCOPE = frozenset({"a", "b", "c"})
FAMILY = Ref(TokenFamily, tenant_id=TENANT, id="fam_1")
POLICY = Policy(refresh_idle=1_000_000, refresh_ttl=3_000_000)


def client(id: str) -> Client:
    chosen = choose(
        {"client_name": id, "redirect_uris": ["https://app.example/cb"], "scope": "a b c"},
        None,
        ("authorization_code", "refresh_token"),
    )
    return new_client(TENANT, id, 0, chosen)


OWNER, THIEF = client("owner"), client("thief")


@dataclass
class Model:
    """What should be true, in words. `tokens` holds every token given, oldest first."""

    tokens: list[str]
    scopes: list[frozenset[str]]  # what each rotation asked for
    rotated_at: int = 0
    leaf_seen: bool = False
    dead: bool = False

    def expected(self, index: int, scope: frozenset[str] | None, now: int, ends: int) -> str:
        if self.dead or now >= ends:
            return "refused"
        last = len(self.tokens) - 1
        asked = SCOPE if scope is None else scope
        if index == last:
            return "rotated" if asked <= SCOPE else "marked"
        lost = index == last - 1 and not self.leaf_seen and now < self.rotated_at + WINDOW
        return "repeated" if lost and asked == self.scopes[-1] else "reuse"


scopes = st.one_of(
    st.none(),
    st.sampled_from(["a", "a b", "a b c"]).map(lambda text: frozenset(text.split())),
    st.just(frozenset({"a", "admin"})),
)


class Rotation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now, self.kid, self.count = 0, "key_1", 0
        first = first_token(KEYS["key_1"], TENANT, "fam_1", "s" * 43)
        self.family = TokenFamily(
            tenant_id=TENANT,
            id="fam_1",
            client_id="owner",
            user_id="usr_1",
            grant_id="gra_1",
            session_id=None,
            scope=SCOPE,
            resources=("https://id.example",),
            generation=0,
            digest=digest(DIGEST, first),
            previous_digest=None,
            previous_request=None,
            rotated_at=None,
            leaf_presented=False,
            kid="key_1",
            auth_time=0,
            acr=None,
            amr=(),
            claims={},
            created_at=0,
            idle_expires_at=POLICY.refresh_idle,
            expires_at=POLICY.refresh_ttl,
            revoked_at=None,
            revoked_reason=None,
        )
        self.model = Model([first], [])

    def present(self, text: str, scope: frozenset[str] | None, caller: Client) -> Issue | Refuse:
        """One request: parse, read, decide, and what was decided is written."""
        form = Form()
        form["refresh_token"] = text
        if scope is not None:
            form["scope"] = " ".join(sorted(scope))
        self.count += 1
        context = Context(
            client=caller,
            policy=POLICY,
            issuer="https://id.example",
            now=self.now,
            digest_key=DIGEST,
            refresh_keys=KEYS,
            refresh_kid=self.kid,
            event_id=f"evt_{self.count}",
            token_id=f"at_{self.count}",
        )
        ask = GRANT.parse(form)
        reads = GRANT.reads(ask, Facts({}), context)
        found: dict[Any, Any] = {ref: self.family if ref == FAMILY else None for ref in reads}
        verdict = GRANT.decide(ask, Facts(found), context)
        again = GRANT.decide(ask, Facts(found), context)
        assert (type(again), again.writes) == (type(verdict), verdict.writes)
        self.apply(verdict.writes)
        return verdict

    def apply(self, writes: Any) -> None:
        events = [w.row for w in writes if isinstance(w, Insert) and isinstance(w.row, Event)]
        changes = [w for w in writes if isinstance(w, Update | UpdateAll)]
        assert len(events) == bool(writes), "every change has exactly one event"
        for change in changes:
            if isinstance(change, UpdateAll):
                if change.type is AccessToken:
                    assert change.where["expires_at"] is None  # this client's tokens have an end
                    continue
                assert change.type is TokenFamily
                if any(getattr(self.family, name) != v for name, v in change.where.items()):
                    continue
            else:
                assert change.ref == FAMILY
            self.family = replace(self.family, **change.set)

    @rule(
        back=st.integers(0, 4),
        scope=scopes,
    )
    def use(self, back: int, scope: frozenset[str] | None) -> None:
        """The owner presents the leaf, or a token some generations old."""
        index = max(0, len(self.model.tokens) - 1 - back)
        ends = min(self.family.idle_expires_at, self.family.expires_at)
        expected = self.model.expected(index, scope, self.now, ends)
        was_dead = self.model.dead or self.now >= ends
        verdict = self.present(self.model.tokens[index], scope, OWNER)
        match expected:
            case "rotated":
                assert isinstance(verdict, Issue)
                assert not isinstance(verdict, Repeat)
                assert verdict.refresh_token not in self.model.tokens
                assert verdict.scope <= SCOPE
                self.model.tokens.append(str(verdict.refresh_token))
                self.model.scopes.append(SCOPE if scope is None else scope)
                self.model.rotated_at, self.model.leaf_seen = self.now, False
            case "repeated":
                assert isinstance(verdict, Repeat)
                assert verdict.refresh_token == self.model.tokens[-1]
            case "marked":
                assert isinstance(verdict, Refuse)
                assert verdict.error.error == "invalid_scope"
                self.model.leaf_seen = True
            case _:
                assert isinstance(verdict, Refuse)
                assert verdict.error.error == "invalid_grant"
                older = index < len(self.model.tokens) - 1
                self.model.dead = was_dead or expected == "reuse" or older

    @rule(back=st.integers(0, 3))
    def steal(self, back: int) -> None:
        """Another client holds the token: refused, and the owner loses nothing."""
        before = self.family
        index = max(0, len(self.model.tokens) - 1 - back)
        verdict = self.present(self.model.tokens[index], None, THIEF)
        assert isinstance(verdict, Refuse)
        assert self.family == before

    @rule(generation=st.integers(0, 20), secret=st.text("abcXYZ-_09", min_size=43, max_size=43))
    def forge(self, generation: int, secret: str) -> None:
        """A made-up token for a family that exists: refused, and nobody is harmed."""
        before = self.family
        tag = secret[:22]
        forged = f"sc_rt_t1.fam_1.{generation}.{secret}.{tag}"
        assert isinstance(self.present(forged, None, OWNER), Refuse)
        assert self.family == before

    @rule(by=st.sampled_from([1, 1_000, WINDOW - 1, WINDOW, 400_000, 1_000_000]))
    def wait(self, by: int) -> None:
        self.now += by

    @rule()
    def rotate_key(self) -> None:
        """The key that derives successors changes; the one before it stays known."""
        self.kid = "key_2" if self.kid == "key_1" else "key_1"

    @precondition(lambda self: self.model.dead)
    @rule()
    def replay_the_graveyard(self) -> None:
        """V3: nothing dead comes back."""
        for text in self.model.tokens:
            assert isinstance(self.present(text, None, OWNER), Refuse)

    @invariant()
    def the_row_agrees(self) -> None:
        """V2: the row knows one leaf, and it is the newest token that was given."""
        assert self.family.generation == len(self.model.tokens) - 1
        assert self.family.digest == digest(DIGEST, self.model.tokens[-1])
        ended = self.family.revoked_at is not None
        expired = self.now >= min(self.family.idle_expires_at, self.family.expires_at)
        assert not ended or self.model.dead
        assert not self.model.dead or ended or expired
        if ended:
            assert self.family.expires_at == self.family.revoked_at  # to be cleared up after it
        else:
            assert self.family.expires_at == POLICY.refresh_ttl
            assert self.family.idle_expires_at <= self.family.expires_at


TestRotation = pytest.mark.invariant("V2")(pytest.mark.invariant("V3")(Rotation.TestCase))
TestRotation.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
