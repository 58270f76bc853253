"""OpenID Connect Core §5.3: what an app may know about the user behind its token."""

from typing import Any

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import invalid_token
from safeconduct.core.id_token import TYP
from safeconduct.core.model import Client, Identifier, TokenFamily, User
from safeconduct.core.pairwise import subject_name
from safeconduct.core.signed_response import protection
from safeconduct.core.unit import Find, Ref
from safeconduct.core.userinfo import claims_about
from safeconduct.ports.store import Store
from safeconduct.services.answers import Answers
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms


class Userinfo:
    def __init__(
        self, *, store: Store, keys: Keys, clients: Clients, answers: Answers, realms: Realms
    ) -> None:
        self.store, self.keys, self.clients = store, keys, clients
        self.answers, self.realms = answers, realms

    async def about(self, bearer: Bearer) -> dict[str, Any] | str:
        """Claims about the bearer's user, as a JWT if the client registered for one (§5.3.2);
        needs the scope `openid`."""
        bearer.require("openid")
        tenant_id, user_id = bearer.tenant_id, bearer.user()
        ref = Ref(User, tenant_id=tenant_id, id=user_id)
        named = Find(Identifier, {"tenant_id": tenant_id, "user_id": user_id})
        family = Ref(TokenFamily, tenant_id=tenant_id, id=bearer.family_id or "")
        facts = await self.store.facts((ref, named, family))
        user, authorization = facts.get(ref), facts.get(family)
        if user is None or user.status != "active":
            raise invalid_token("the access token is not valid", rule="user.disabled")
        asked = authorization.claims.get("userinfo", ()) if authorization else ()
        claims = claims_about(user, facts.all(named), bearer.scope, asked)
        client = await self.clients.find(bearer.client_id, tenant_id)
        if client is None:  # a key acts for the user
            return claims
        claims["sub"] = subject_name(client, user_id, self.keys.of(tenant_id).key("subject"))
        how = protection(client, "userinfo")
        if how is None:
            return claims
        # §5.3.2: "If signed, the UserInfo Response MUST contain the Claims iss […] and aud"
        return await self.answers.seal(client, {**claims, **self._about(client)}, TYP, how)

    def _about(self, client: Client) -> dict[str, Any]:
        return {"iss": self.realms.issuer(client.tenant_id), "aud": client.id}
