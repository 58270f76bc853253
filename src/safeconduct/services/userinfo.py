"""OpenID Connect Core §5.3: what an app may know about the user behind its token."""

from typing import Any

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import invalid_token
from safeconduct.core.model import Identifier, User
from safeconduct.core.unit import Find, Ref
from safeconduct.core.userinfo import claims_about
from safeconduct.ports.store import Store


class Userinfo:
    def __init__(self, *, store: Store) -> None:
        self.store = store

    async def about(self, bearer: Bearer) -> dict[str, Any]:
        """Claims about the bearer's user; needs the scope `openid`."""
        bearer.require("openid")
        tenant_id, user_id = bearer.tenant_id, bearer.user()
        ref = Ref(User, tenant_id=tenant_id, id=user_id)
        named = Find(Identifier, {"tenant_id": tenant_id, "user_id": user_id})
        facts = await self.store.facts((ref, named))
        user = facts.get(ref)
        if user is None or user.status != "active":
            raise invalid_token("the access token is not valid", rule="user.disabled")
        return claims_about(user, facts.all(named), bearer.scope)
