import { Refused, Unavailable } from "./errors.js";
import { Token, Verifier, type Options, type Shown } from "./verifier.js";

export { Refused, Token, Unavailable, Verifier, type Options, type Shown };
export type { Seen } from "./proof.js";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

export interface Protection {
  /** What every request needs; a handler asks for more by `token.require`. */
  scope?: string;
  scopesSupported?: string[];
  /** The origin by which callers know the API, where a proxy stands before it. */
  origin?: string;
  certificate?: (request: Request) => Uint8Array | undefined;
}

type Handler = (request: Request, token: Token) => Response | Promise<Response>;

/** The handler, reached only with a token for this API; serves the RFC 9728 document too. */
export function protect(
  verifier: Verifier,
  how: Protection,
  handler: Handler,
): (request: Request) => Promise<Response> {
  const audience = new URL(verifier.audience);
  const origin = how.origin ?? audience.origin;
  const path = WELL_KNOWN + (audience.pathname === "/" ? "" : audience.pathname);
  const needed = (how.scope ?? "").split(" ").filter(Boolean);
  const document = {
    resource: verifier.audience,
    authorization_servers: [verifier.issuer],
    bearer_methods_supported: ["header"],
    scopes_supported: how.scopesSupported ?? needed,
  };

  async function tokenOf(request: Request, url: URL): Promise<Token> {
    if (url.searchParams.has("access_token")) {
      throw new Refused("invalid_request", "the access token belongs in one header", 400);
    }
    const token = await verifier.verify({
      authorization: request.headers.get("authorization"),
      method: request.method,
      url: origin + url.pathname,
      proof: request.headers.get("dpop"),
      certificate: how.certificate?.(request),
    });
    token.require(...needed);
    return token;
  }

  return async (request) => {
    const url = new URL(request.url);
    if (url.pathname === path && (request.method === "GET" || request.method === "HEAD")) {
      return Response.json(document, { headers: { "access-control-allow-origin": "*" } });
    }
    let token: Token;
    try {
      token = await tokenOf(request, url);
    } catch (error) {
      return refusal(error, origin + path);
    }
    return handler(request, token);
  };
}

function refusal(error: unknown, resourceMetadata: string): Response {
  const headers = new Headers({ "cache-control": "no-store" });
  if (error instanceof Refused) {
    headers.set("www-authenticate", error.challenge(resourceMetadata));
    const body = { error: error.error ?? "invalid_token", error_description: error.message };
    return Response.json(body, { status: error.status, headers });
  }
  if (error instanceof Unavailable) {
    headers.set("retry-after", "5");
    return Response.json({ error: "temporarily_unavailable" }, { status: 503, headers });
  }
  throw error;
}
