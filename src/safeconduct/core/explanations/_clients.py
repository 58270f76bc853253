"""Clients and what they redeem: what was expected, and what to do."""

CLIENTS = {
    "client.unknown": (
        "a client_id that is registered at this issuer",
        "Compare the client_id with `safeconduct clients list`; clients of one tenant are "
        "unknown at every other (`--tenant`).",
    ),
    "client.disabled": (
        "a client that is switched on",
        "Enable it: `safeconduct clients enable ID`; the app's tenant must be active too.",
    ),
    "client.method": (
        "the authentication method that the client is registered for",
        "Set token_endpoint_auth_method to what the app sends, or let the app send what is "
        "registered.",
    ),
    "client.secret": (
        "one of the client's live secrets",
        "Look at the last characters in `safeconduct clients show ID`, or make a new one: "
        "`safeconduct clients rotate-secret ID`.",
    ),
    "client.secret_missing": (
        "a client secret, by HTTP Basic or in the form",
        "Give the app its secret, or register it as a public client "
        "(token_endpoint_auth_method none).",
    ),
    "client.guessing": (
        "no more than a hundred wrong secrets in five minutes",
        "Find who sends wrong secrets; the right one is let in all the while.",
    ),
    "client.two_methods": (
        "one way of authenticating in one request",
        "Send the credentials in the header or in the form, not in both (RFC 6749 §2.3).",
    ),
    "client.two_ids": (
        "the same client_id in the header and in the form",
        "Let the app name itself once, or the same way twice.",
    ),
    "client.response_types": (
        "a response_type that the client is registered for",
        "Add it to the client's response_types, or ask for `code`.",
    ),
    "client.encryption_key": (
        "a key of the client to encrypt to",
        "Put an encryption key (`use: enc`) into the client's jwks or jwks_uri.",
    ),
    "client.gone": (
        "a client that still exists",
        "The client was deleted, and its tokens with it; register it again.",
    ),
    "client.deleted": (
        "a client that still exists",
        "The client was deleted; register it again.",
    ),
    "client.not_before": (
        "a token from after the client was last disabled",
        "Get a new token: disabling a client ends all it held, and enabling revives nothing.",
    ),
    "grant.client": (
        "a grant_type that the client is registered for",
        "Add it to the client's grant_types: `safeconduct clients update ID`.",
    ),
    "grant.public": (
        "a confidential client for a grant without a user",
        "Give the client a secret or a key; a public client cannot act for itself.",
    ),
    "grant.": (
        "an authorization that allows this",
        "See the grant_types of the client.",
    ),
    "code.unknown": (
        "a code that this server issued and that has not been removed",
        "Redeem the code as it came, byte by byte, at the issuer that gave it.",
    ),
    "code.expired": (
        "a code that is younger than its lifetime",
        "Redeem codes at once; check the clocks of app and proxy.",
    ),
    "code.reused": (
        "a code that nobody has redeemed before",
        "Begin again: a second use ends the tokens of the first. See that the app does not "
        "send requests twice.",
    ),
    "code.client": (
        "the client for which the code was issued",
        "Redeem with the same client_id with which the login began.",
    ),
    "code.redirect_uri": (
        "the redirect_uri of the authorization request",
        "Send the same redirect_uri again, or leave it out in both.",
    ),
    "code.": (
        "a code that is unused, fresh, and this client's",
        "Begin the login again and redeem the code once, at once.",
    ),
    "refresh.unknown": (
        "a refresh token that this server issued",
        "Use the newest refresh token of this authorization; if it is lost, the user has to "
        "sign in again.",
    ),
    "refresh.reused": (
        "the newest refresh token of its family",
        "Store the new refresh token before using the new access token. The family has ended: "
        "the user signs in again.",
    ),
    "refresh.client": (
        "the client to which the refresh token was given",
        "Refresh with the client_id that got the token.",
    ),
    "refresh.key": (
        "the key to which the refresh token is bound",
        "Prove the key with which the authorization began (DPoP), or sign in again.",
    ),
    "refresh.": (
        "a live refresh token of this client",
        "Use the newest refresh token; if that fails, the user signs in again.",
    ),
    "family.": (
        "an authorization that is still alive",
        "It was revoked, or was not used for too long; the user signs in again.",
    ),
    "form.malformed": (
        "an application/x-www-form-urlencoded body",
        "Encode the form as HTML forms are (UTF-8, percent-encoding).",
    ),
    "form.query": (
        "parameters in the body",
        "Send them in the body: what is in an address is logged and kept (RFC 6749 §3.2).",
    ),
    "form.repeated": (
        "each parameter once",
        "Send each parameter once (RFC 6749 §3.2).",
    ),
    "form.type": (
        "content type application/x-www-form-urlencoded",
        "Send a form, not JSON or multipart.",
    ),
    "form.": (
        "a well-formed form",
        "See RFC 6749 appendix B.",
    ),
    "field.": (
        "the parameters that this endpoint needs",
        "Look at the description for the name of the one that is missing or wrong.",
    ),
    "times.missing": (
        "exp and iat in the assertion",
        "Add them (RFC 7523 §3).",
    ),
    "type.client": (
        "a client of the type that this needs",
        "Register a client of that type.",
    ),
    "alg.client": (
        "the algorithm for which the client is registered",
        "Sign with the registered algorithm, or change the registration.",
    ),
    "assertion.audience": (
        "our issuer as the audience",
        "Set `aud` to the issuer, as one string.",
    ),
    "assertion.signature": (
        "a signature by a key of the client's jwks or jwks_uri",
        "Publish the key with which the app signs, and name it by `kid`.",
    ),
    "assertion.replayed": (
        "a jti that was not used before",
        "Make a new assertion for each request.",
    ),
    "assertion.expired": (
        "an assertion that has not expired",
        "Make it just before the request; check the app's clock.",
    ),
    "assertion.lifetime": (
        "an assertion that lives for minutes",
        "Set `exp` a minute or two ahead.",
    ),
    "assertion.": (
        "a client assertion as RFC 7523 §3 has it",
        "`iss` and `sub` the client_id, `aud` the issuer, `jti` fresh, `exp` near, signed with"
        " a registered key.",
    ),
    "exchange.": (
        "tokens of this issuer that may be exchanged, for no more than they hold",
        "Compare with RFC 8693 and the client's grant_types; scope and audience only ever shrink.",
    ),
    "subject_token.": (
        "a live access token of this issuer",
        "Exchange a token that works now.",
    ),
    "actor_token.": (
        "a live access token of the party that acts",
        "Exchange with a token of the acting client.",
    ),
    "ciba.": (
        "a request and a client registered for CIBA",
        "See the client's backchannel_token_delivery_mode and grant_types.",
    ),
    "jwt_bearer.": (
        "an assertion by an issuer that is trusted here",
        "Register the issuer and its keys, and send an unused, fresh assertion.",
    ),
    "authorization_pending.": (
        "patience",
        "Ask again after the interval.",
    ),
    "slow_down.": (
        "the interval between polls",
        "Wait five seconds longer each time.",
    ),
    "profile.": (
        "a client and a request as its security profile demands",
        "Compare with the profile's table in the documentation, or give the client another "
        "profile.",
    ),
    "dpop.missing": (
        "a DPoP proof, as this client's tokens are bound to a key",
        "Send a DPoP header, or take dpop_bound_access_tokens off the client.",
    ),
    "dpop.nonce": (
        "the nonce of the last answer",
        "Repeat the request with the value of the DPoP-Nonce header; libraries do it by "
        "themselves.",
    ),
    "dpop.request": (
        "a proof for this method, address and moment",
        "`htm` the method, `htu` the address as clients see it (the issuer's host), `iat` now.",
    ),
    "dpop.replayed": (
        "a proof that was not used before",
        "Make a new proof, with a new jti, for each request.",
    ),
    "dpop.key": (
        "the key to which the token is bound",
        "Sign the proof with the key that was used when the token was given.",
    ),
    "dpop.downgrade": (
        "the DPoP scheme for a token that is bound",
        "Send `Authorization: DPoP …` with a proof, not Bearer.",
    ),
    "dpop.": (
        "a DPoP proof as RFC 9449 §4.2 has it",
        "typ dpop+jwt, an asymmetric alg, a public jwk, and jti, htm, htu, iat; one header.",
    ),
    "dpop_jkt.": (
        "the thumbprint of the key that proves itself",
        "Send dpop_jkt of the same key, or leave it out.",
    ),
    "certificate.": (
        "the client certificate to which things are bound",
        "Connect with the registered certificate; behind a proxy, name the proxy in "
        "trusted_proxies.",
    ),
    "introspect.client": (
        "a confidential client that is active",
        "Introspect with the credentials of a resource server.",
    ),
    "client.profile": (
        "a client of the profile to which this address belongs",
        "Register the client with the profile of the surface that it calls.",
    ),
}
