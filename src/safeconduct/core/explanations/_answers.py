"""Error codes of the platform API and of pages."""

ANSWERS = {
    "_not_found": (
        "an id of this tenant",
        "Ids of other tenants, and those that are gone, are unknown; list what there is.",
    ),
    "_taken": (
        "a name that nobody has",
        "Choose another, or find who has it.",
    ),
    "not_found": (
        "an address that exists",
        "See /api/v1/openapi.json for what there is.",
    ),
    "method_not_allowed": (
        "a method that this address has",
        "See the Allow header.",
    ),
    "http_error": (
        "a request for an address and method that exist",
        "See /api/v1/openapi.json for what there is.",
    ),
    "invalid_json": (
        "one JSON object, in UTF-8, without repeated names",
        "Let a library write the body; NaN, huge numbers and lone surrogates are not JSON.",
    ),
    "unsupported_media_type": (
        "content type application/json",
        "Set the Content-Type header.",
    ),
    "too_large": (
        "a body within the limit",
        "Send less at a time.",
    ),
    "missing_field": (
        "all fields that are required",
        "Add the field that `field` names.",
    ),
    "missing_parameter": (
        "all parameters that are required",
        "Add the parameter that `field` names.",
    ),
    "unknown_field": (
        "fields that exist",
        "Remove it, or look for a misspelling; see /api/v1/openapi.json.",
    ),
    "invalid_": (
        "a value that the field takes",
        "The title says what is taken; `field` names the field.",
    ),
    "too_many_attempts": (
        "fewer tries in a quarter of an hour",
        "Wait; look in the events for who guesses.",
    ),
    "too_many_codes": (
        "fewer codes to one address or phone",
        "Use the latest code, or wait.",
    ),
    "too_many_": (
        "fewer of them",
        "Remove what is not needed, or wait.",
    ),
    "too_many": (
        "fewer of them",
        "Remove what is not needed, or wait.",
    ),
    "idempotency_key_reused": (
        "the same body with the same Idempotency-Key",
        "Use a new key for another request.",
    ),
    "weak_password": (
        "a password that is long and not among the first to be tried",
        "Choose a longer one; the tenant's policy sets the least length.",
    ),
    "wrong_password": (
        "the user's present password",
        "Type the present one.",
    ),
    "login_too_old": (
        "a login of the last fifteen minutes",
        "Sign in again, then do it at once.",
    ),
    "login_required": (
        "somebody who is signed in",
        "Sign in, then do it again.",
    ),
    "setup_closed": (
        "the link that the server printed last",
        "Restart the server for a new one, unless an administrator exists.",
    ),
    "account_disabled": (
        "an account that is switched on",
        "Enable the user: `safeconduct users enable`.",
    ),
    "client_not_approved": (
        "an app that is approved, or its owner",
        "Approve it (`safeconduct clients approve`), or sign in as the user who owns it.",
    ),
    "account_not_open": (
        "an account that is open",
        "Open it, or choose another.",
    ),
    "invitation_needed": (
        "an address that an administrator has created",
        "Create the user, or set the tenant's sign_up to open.",
    ),
    "tenant_suspended": (
        "a tenant that is switched on",
        "Activate it: `safeconduct tenants enable SLUG`.",
    ),
    "not_the_deployment": (
        "a key of the first tenant",
        "Make the key there: `safeconduct api-keys create` without --tenant.",
    ),
    "not_yours_to_change": (
        "name, policy and branding alone",
        "Ask an administrator of the deployment.",
    ),
    "root_tenant": (
        "another tenant than the first",
        "The first tenant is the deployment's own, and stays.",
    ),
    "slug_fixed": (
        "the slug that the tenant has",
        "Make a new tenant; an issuer does not change.",
    ),
    "form_expired": (
        "a form of our own page, in this browser and session",
        "Load the page again; see that cookies are kept.",
    ),
    "flow_expired": (
        "a login that is under a quarter of an hour old and unanswered",
        "Begin again from the app.",
    ),
    "key_too_young": (
        "a next key that was published a day ago",
        "Wait a day between two rotations, or say --force if the key in use is lost.",
    ),
    "login_expired": (
        "a first step that is under ten minutes old and unused, and a password unchanged since",
        "Sign in again from the first step.",
    ),
    "wrong_code": (
        "the newest code of the authenticator app, or an unused recovery code",
        "Look at the app and type its six digits; see that the phone's clock is right.",
    ),
    "invalid_passkey": (
        "an answer of the browser to the challenge just given, at this site, by a verified user",
        "Load the page again, and add the passkey within five minutes.",
    ),
    "passkey_exists": (
        "a passkey that nobody has added here",
        "It is there already; use another device for another passkey.",
    ),
    "too_many_passkeys": (
        "no more than twenty passkeys",
        "Remove one that is used no more.",
    ),
    "identifier_yours": (
        "an address that the user does not sign in with yet",
        "There is nothing to add.",
    ),
    "last_identifier": (
        "another proven address or number that is left to sign in with",
        "Add another one first.",
    ),
    "too_many_identifiers": (
        "no more than ten addresses and numbers for one user",
        "Remove one that is used no more.",
    ),
    "identifier_unproven": (
        "an address that its owner has proven",
        "Have them sign in once with a code that is sent there.",
    ),
    "authenticator_exists": (
        "an account without an authenticator app",
        "Remove the present one first.",
    ),
    "no_authenticator": (
        "an account with an authenticator app",
        "Add one in the account page.",
    ),
    "code_expired": (
        "a code that is younger than its lifetime",
        "Ask for another code.",
    ),
    "unknown_client": (
        "a client_id that is registered at this issuer",
        "Compare the app's client_id and issuer with `safeconduct clients list`.",
    ),
    "client_disabled": (
        "a client that is switched on",
        "Enable it: `safeconduct clients enable ID`.",
    ),
    "client_is_public": (
        "a client that has secrets",
        "Public clients have none; register a confidential one.",
    ),
    "client_secret_missing": (
        "a secret to do this with",
        "Make one: `safeconduct clients rotate-secret ID`.",
    ),
    "redirect_uri_mismatch": (
        "exactly a redirect URI that is registered",
        "Register the URI that the app sends, character by character.",
    ),
    "no_return_address": (
        "a return address of the app",
        "Register a callback at the client.",
    ),
    "no_users": (
        "a client that acts for users",
        "Use one with authorization_code among its grant_types.",
    ),
    "disabled": (
        "a client and a user that are switched on",
        "Enable both.",
    ),
    "needs_reauth": (
        "a connection that works",
        "The user links the account again.",
    ),
    "refresh_too_soon": (
        "a pause between refreshes",
        "Wait as long as Retry-After says.",
    ),
    "changed_meanwhile": (
        "the thing as it was read",
        "Read it again, then change it.",
    ),
    "request_over": (
        "a request that waits for its answer",
        "Begin again.",
    ),
    "auth_mode": (
        "a provider that is linked in this way",
        "Look at the provider's auth modes.",
    ),
    "auth_type": (
        "a way of linking that the provider has",
        "Look at the provider's auth modes.",
    ),
    "resource_exists": (
        "an identifier that is not registered",
        "Change the one that exists.",
    ),
    "webhook_exists": (
        "an address that is not registered",
        "Change the endpoint that exists.",
    ),
    "webhook_inactive": (
        "an endpoint that is active",
        "Enable it first.",
    ),
    "busy": (
        "a free thread to hash passwords",
        "Try again in a moment; if it lasts, add workers.",
    ),
    "unavailable": (
        "a store and keys that answer",
        "See `safeconduct doctor`; nothing was issued meanwhile.",
    ),
    "temporarily_unavailable": (
        "a store that answers",
        "See `safeconduct doctor`; nothing was issued meanwhile.",
    ),
    "mail_unavailable": (
        "a mail server that takes messages",
        "Check smtp_url with `safeconduct doctor`.",
    ),
    "sms_unavailable": (
        "an SMS gateway that takes messages",
        "Check the SMS settings with `safeconduct doctor`.",
    ),
    "sms_country": (
        "a phone number of a country that the tenant allows",
        "Add the country to the tenant's sms_countries.",
    ),
    "sealed": (
        "a root key that opens the vault",
        "Give the server the root key with which the data were sealed.",
    ),
    "invalid_request": (
        "a request with each parameter once and well formed",
        "The description names what is wrong.",
    ),
    "invalid_client": (
        "credentials that prove the client",
        "Look for the event's rule: client.…",
    ),
    "invalid_grant": (
        "a code or token that is live and this client's",
        "Begin the authorization again.",
    ),
    "invalid_scope": (
        "scopes that exist and that the client may have",
        "Ask for less, or register more.",
    ),
    "invalid_target": (
        "a resource that is registered",
        "Register it, or ask for another.",
    ),
    "invalid_token": (
        "a token that lives and is for this API",
        "Get a new one.",
    ),
    "insufficient_scope": (
        "a token with the scope that this needs",
        "Ask for the scope.",
    ),
    "unauthorized_client": (
        "a client that may do this",
        "Change the client's registration.",
    ),
    "unsupported_grant_type": (
        "a grant_type in grant_types_supported",
        "Use one of those.",
    ),
    "access_denied": (
        "a yes",
        "Somebody said no.",
    ),
    "forbidden": (
        "somebody who may do this",
        "Use a token or key of whom it belongs to.",
    ),
    "unauthorized": (
        "a token or key that works",
        "Send one in the way that the surface's contract says.",
    ),
    "token_expired": (
        "an access token that has not expired",
        "Refresh it.",
    ),
    "no_such_page": (
        "a page that exists",
        "Ask for a page within the list.",
    ),
    "no_webhook_secret": (
        "a secret for what the provider sends",
        "Set the provider's webhook secret: `safeconduct providers configure`.",
    ),
    "not_connected": (
        "an app that is connected",
        "Connect it first.",
    ),
    "not_linked": (
        "an account that is linked",
        "Link it first.",
    ),
    "open_authorization": (
        "an authorization that is finished",
        "Finish the one that is open.",
    ),
    "provider_failed": (
        "a provider that answers",
        "Look at the provider's status; try again later.",
    ),
    "sync_failed": (
        "data of the provider that can be read",
        "Look at the connection; the next run comes by itself.",
    ),
    "unknown_app": (
        "an app that this deployment knows",
        "Look at the list of apps.",
    ),
    "_exists": (
        "a name or address that is not there yet",
        "Change the one that exists.",
    ),
    "_expired": (
        "something that has not expired",
        "Begin again, or make a new one.",
    ),
    "_missing": (
        "what the title names",
        "Add it.",
    ),
    "_failed": (
        "the other side to succeed",
        "See the event's detail; try again later.",
    ),
    "_inactive": (
        "something that is active",
        "Enable it first.",
    ),
}
