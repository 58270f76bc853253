"""Authorization requests: what was expected, and what to do."""

REQUESTS = {
    "redirect_uri.mismatch": (
        "exactly a redirect URI that is registered, compared as text",
        "Register the URI character by character; only the port of a loopback address may "
        "differ (RFC 8252 §7.3).",
    ),
    "redirect_uri.missing": (
        "a redirect_uri, since more than one is registered",
        "Send redirect_uri, or register one only.",
    ),
    "response_type": (
        "a response_type that this server offers",
        "Ask for `code`; tokens are never put into addresses here.",
    ),
    "response_mode": (
        "a response_mode that this server offers",
        "Use query, fragment, form_post or their .jwt forms.",
    ),
    "response_mode.": (
        "a response_mode that suits the response_type",
        "Leave response_mode out, or use fragment or form_post.",
    ),
    "fragment.jwt": (
        "a response_mode that suits the response_type",
        "Leave response_mode out, or use the one that the client is registered for.",
    ),
    "query.jwt": (
        "a response_mode that suits the response_type",
        "Leave response_mode out, or use the one that the client is registered for.",
    ),
    "request.": (
        "each parameter once, with a value that its grammar allows",
        "Look at the description for the parameter; send it once and well formed.",
    ),
    "request": (
        "a request object where request objects are taken",
        "Send plain parameters, or sign the request as the client is registered to.",
    ),
    "request_object.": (
        "a request object that is signed by the client, for us, and fresh",
        "Sign with a key of the client's jwks, `aud` our issuer, and a short `exp` (RFC 9101).",
    ),
    "request_object.required": (
        "a signed request object, as this client has bound itself to",
        "Sign the request, or take require_signed_request_object off the client.",
    ),
    "request_uri.unknown": (
        "a request_uri from a push of this client, unused and under its age",
        "Push the request again and use it at once; each request_uri works for one login.",
    ),
    "request_uri.": (
        "a registered https address from which the request object can be fetched",
        "Register the address in request_uris, and see that it answers with the JWT.",
    ),
    "par.required": (
        "a pushed authorization request",
        "Push the request to /oauth2/par first, or take require_pushed_authorization_requests "
        "off the client.",
    ),
    "par.request_uri": (
        "parameters, not another request_uri",
        "Push the parameters themselves (RFC 9126 §2.1).",
    ),
    "par.client": (
        "the client_id of the client that pushes",
        "Leave client_id out of the pushed parameters, or make it the same.",
    ),
    "par.rate": (
        "pushes at the pace at which people sign in",
        "Slow down, and use what was pushed; unused pushes count.",
    ),
    "par.": (
        "a sound pushed request",
        "See RFC 9126 §2 for what may be pushed.",
    ),
    "pkce.missing": (
        "a code_challenge with method S256",
        "Let the app use PKCE: every current client library does when asked (RFC 7636).",
    ),
    "pkce.required": (
        "a code_challenge with method S256",
        "Let the app use PKCE; a confidential OpenID client may be exempted with --no-require-"
        "pkce.",
    ),
    "pkce.method": (
        "code_challenge_method S256",
        "Send S256; plain protects nothing and is refused.",
    ),
    "pkce.form": (
        "a code_challenge of 43 base64url characters",
        "Send the SHA-256 of the verifier, base64url without padding (RFC 7636 §4.2).",
    ),
    "pkce.verifier": (
        "the code_verifier whose hash is the code_challenge of the request",
        "Keep the verifier with the session that began the login, and send that one.",
    ),
    "pkce.": (
        "the code_verifier that belongs to the code_challenge",
        "Keep the verifier with the session that began the login; see RFC 7636.",
    ),
    "scope.client": (
        "only scopes for which the client is registered",
        "Add the scope to the client, or ask for less.",
    ),
    "scope.exceeds": (
        "no more than was granted at first",
        "Ask for a subset; to get more, send the user through the authorization page again.",
    ),
    "scope.empty": (
        "a scope, or none at all",
        "Leave the parameter out to get the client's default, rather than sending it empty.",
    ),
    "scope.openid": (
        "openid for what OpenID Connect adds",
        "Add openid to the scope.",
    ),
    "scope.": (
        "scopes that the grammar allows and the client may ask for",
        "Separate scopes by one space, and ask for what is registered (RFC 6749 §3.3).",
    ),
    "resource.unknown": (
        "a resource for which the client is registered",
        "Add the resource to the client, or ask for one that is there (`/api/v1/resources`).",
    ),
    "resource.exceeds": (
        "a resource that was authorized",
        "Ask for the resource in the authorization request as well (RFC 8707 §2.2).",
    ),
    "resource.missing": (
        "the name of one resource",
        "Send `resource`, since the client may use several and none is the platform's own.",
    ),
    "resource.": (
        "a token for this resource in the way that the resource demands",
        "See the resource's settings for DPoP or mutual TLS.",
    ),
    "authorization_details.": (
        "details of a type that is offered and that the client may ask for",
        "Compare with authorization_details_types_supported and the client's types (RFC 9396).",
    ),
    "claims": (
        "a claims parameter that is a JSON object of claims that exist",
        "See OpenID Connect Core §5.5 for its shape.",
    ),
    "claims.": (
        "a claims parameter that can be fulfilled",
        "Ask for claims that are in claims_supported, about the user who is signed in.",
    ),
    "acr.unknown": (
        "an acr value that is offered",
        "Use one of acr_values_supported.",
    ),
    "prompt": (
        "values of prompt that exist, and none by itself",
        "Use none, login, consent or select_account (OpenID Connect Core §3.1.2.1).",
    ),
    "prompt.none.": (
        "somebody for whom nothing has to be asked",
        "Send the user through without prompt=none, once.",
    ),
    "max_age": (
        "a whole number of seconds",
        "Send max_age as digits.",
    ),
    "display": (
        "a display value that exists",
        "Use page, popup, touch or wap.",
    ),
    "env": (
        "live or paper",
        "Send env=live or env=paper.",
    ),
    "nonce.missing": (
        "a nonce where an ID token comes from the authorization endpoint",
        "Send a nonce (OpenID Connect Core §3.3.2.11).",
    ),
    "hint": (
        "an ID token of this issuer as id_token_hint",
        "Send an ID token that this issuer gave to this app; an expired one will do.",
    ),
    "consent.denied": (
        "the person's yes",
        "Nothing to mend: the person said no.",
    ),
    "accounts.none": (
        "an account of the person that can be let in",
        "Open an account first (`safeconduct accounts create`).",
    ),
    "client.not_approved": (
        "an app that is approved, or its owner",
        "Approve it (`safeconduct clients approve`), or sign in as the user who owns it.",
    ),
    "flow.spent": (
        "a request that is fresh and was not answered before",
        "Begin again from the app; each request is answered once.",
    ),
    "device.": (
        "a code that a device shows now, typed by a person",
        "Start again on the device; its code lives for minutes.",
    ),
    "connect.": (
        "a Connect request as its dialect has it",
        "Send the parameters once, with PKCE (S256).",
    ),
    "acr.": (
        "a sign-in of the class that the app asks for",
        "Sign in with a second factor, or let the app ask for a class in acr_values_supported.",
    ),
    "acr_values.": (
        "classes of sign-in that are offered",
        "Use values of acr_values_supported.",
    ),
}
