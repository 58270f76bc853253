"""Tokens, sign-in, registration and links to providers."""

ACCESS = {
    "bearer.missing": (
        "an access token in the Authorization header",
        "Send `Authorization: Bearer …`; nothing is read from the address.",
    ),
    "bearer.query": (
        "no access token in the address",
        "Take it out of the query: addresses are logged. That token should be revoked.",
    ),
    "bearer.elsewhere": (
        "the access token in one place, and never in the address",
        "Send it in one place (RFC 6750 §2).",
    ),
    "bearer.repeated": (
        "one Authorization header",
        "Send it once; look for a proxy that adds one.",
    ),
    "bearer.scope": (
        "an access token with the scope that this needs",
        "Ask for the scope when the token is issued; `www-authenticate` names it.",
    ),
    "bearer.no_user": (
        "a token about a user",
        "Use a token that a user has given, not one of client credentials.",
    ),
    "bearer.": (
        "one access token in the Authorization header",
        "See RFC 6750 §2.1.",
    ),
    "hook.secret": (
        "the secret of the hook for tests, as a bearer",
        "Send what the setting ciba_test_hook holds.",
    ),
    "token.expired": (
        "an access token that has not expired",
        "Refresh it, and check the clock of the API.",
    ),
    "token.revoked": (
        "an access token that was not revoked",
        "Get a new one; what was revoked stays so.",
    ),
    "token.audience": (
        "a token for this API",
        "Ask for the token with `resource` set to this API (RFC 8707).",
    ),
    "token.issuer": (
        "a token of this tenant's issuer",
        "Use a token of the issuer at whose address the API is.",
    ),
    "token.tenant": (
        "a token of the tenant at whose address the request came",
        "Call the address of the token's own tenant, or the deployment's.",
    ),
    "token.certificate": (
        "the certificate to which the token is bound",
        "Connect with the certificate with which the token was got.",
    ),
    "token.malformed": (
        "a token as this server writes them",
        "Send the token as it was given, and nothing else in the header.",
    ),
    "token.": (
        "a token that this server issued and that lives",
        "Get a new token; compare its issuer with this server's.",
    ),
    "api_key.expired": (
        "an API key that has not expired",
        "Make a new key: `safeconduct api-keys create`.",
    ),
    "api_key.revoked": (
        "an API key that nobody revoked",
        "Make a new key; a revoked one never works again.",
    ),
    "api_key.unknown": (
        "an API key of this deployment",
        "Send the key as it was shown once; look at its last characters in `safeconduct api-"
        "keys list`.",
    ),
    "tenant.suspended": (
        "a tenant that is not suspended",
        "Activate it: `safeconduct tenants enable SLUG`.",
    ),
    "user.disabled": (
        "a user who is not disabled",
        "Enable the user: `safeconduct users enable`.",
    ),
    "user.signed_out": (
        "a session that has not ended",
        "The user signs in again.",
    ),
    "user.": (
        "a user who may sign in",
        "Look at `safeconduct users show`.",
    ),
    "password.mismatch": (
        "the user's password",
        "The person typed another one; after ten tries the account waits.",
    ),
    "factor.": (
        "the second factor of this person",
        "Type the newest code, once; a recovery code works when the device is lost.",
    ),
    "sign_up.": (
        "an address that may sign up here",
        "See the tenant's sign_up policy.",
    ),
    "logout.redirect_uri": (
        "a post_logout_redirect_uri that is registered",
        "Register it at the client, character by character.",
    ),
    "logout.audience": (
        "an ID token of the client that is named",
        "Send the ID token that this client got, or leave client_id out.",
    ),
    "logout.": (
        "a logout request as OpenID Connect RP-Initiated Logout §2 has it",
        "Send id_token_hint, and each parameter once.",
    ),
    "registration.token": (
        "a registration or initial access token that works",
        "Make one: `safeconduct registration`; each works for its uses and its time.",
    ),
    "registration.pace": (
        "registrations at a bearable pace",
        "Wait; or register with an initial access token.",
    ),
    "registration.statement": (
        "a software statement that is signed by a trusted issuer",
        "Add the issuer and its keys: `safeconduct registration`.",
    ),
    "registration.statement_issuer": (
        "a software statement of an approved issuer",
        "Approve the issuer: `safeconduct registration`.",
    ),
    "registration.": (
        "client metadata that this server takes",
        "The description names the member; see docs/registration.md.",
    ),
    "broker.": (
        "a request as the Broker API has it",
        "Use a broker key (`safeconduct broker-keys create`) and response_type code.",
    ),
    "state.unknown": (
        "a state of an attempt that this server began",
        "Begin the link again; callbacks are honoured once, within minutes.",
    ),
    "state.": (
        "a callback in the browser, for the user and by the client that began the attempt",
        "Begin again, and finish in the same browser.",
    ),
    "callback.": (
        "a callback with one code or one error",
        "Ask the provider what it sent; begin again.",
    ),
    "iss.": (
        "the issuer of the provider that was asked",
        "The answer came from another server: begin again, and compare the provider's entry.",
    ),
    "provider.": (
        "an answer of the provider as its entry describes it",
        "Look at the provider's status and at our registration there: `safeconduct providers "
        "show`.",
    ),
    "request.denied": (
        "a request that follows the rules",
        "The rule above says which one.",
    ),
    "attempt.failed": (
        "an attempt that ends with an account",
        "See the rule of the attempt; begin again.",
    ),
    "webhook.dead": (
        "a receiver that answers 2xx",
        "Mend the receiver, then replay: `safeconduct webhooks`.",
    ),
    "sync.failed": (
        "data of the provider that can be read",
        "See the error; the next run comes by itself.",
    ),
    "connection.": (
        "a connection that works",
        "Look at `safeconduct connections show`; linking the account again makes it whole.",
    ),
    "credential.": (
        "credentials as the provider's entry describes them",
        "Type them again, as the provider shows them.",
    ),
    "wallet.": (
        "an address, and a signature of it where one is asked for",
        "Sign the message as it is shown, with the key of the address.",
    ),
    "webhook.": (
        "a webhook with a valid, fresh signature of the provider",
        "Compare the secret here with the provider's.",
    ),
    "organization.": (
        "somebody who may do this in the organisation",
        "Look at the membership and its role.",
    ),
    "provider_": (
        "a provider that answers as its entry describes",
        "Look at the provider's status and at our registration there.",
    ),
    "ciba_": (
        "a request that a person can answer",
        "See the description.",
    ),
}
