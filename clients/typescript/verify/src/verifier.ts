import { errors, jwtVerify, type JWTPayload } from "jose";

import { bad, Refused, Unavailable } from "./errors.js";
import { Issuer, type Fetch } from "./issuer.js";
import { ALGORITHMS, Proofs, sha256, type Seen } from "./proof.js";

const HELD = 10_000;
const LEEWAY_S = 5;

export interface Options {
  issuer: string;
  /** The identifier of this API, as it is registered. */
  audience: string;
  /** An introspection client of the API; without it nobody can know of a revocation. */
  client?: { id: string; secret: string };
  /** How many seconds a revoked token may still pass: 30, at most 60. */
  revocationBound?: number;
  /** Refuse tokens that are bound to no key. */
  requireBound?: boolean;
  seen?: Seen;
  fetch?: Fetch;
}

export interface Shown {
  authorization: string | null;
  method: string;
  url: string;
  proof?: string | null;
  /** The client's certificate, DER. */
  certificate?: Uint8Array | undefined;
}

/** Who calls. `claims` are those of RFC 9068 or, for an opaque token, of RFC 7662. */
export class Token {
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;

  constructor(readonly claims: JWTPayload) {
    this.subject = String(claims.sub ?? "");
    this.clientId = String(claims["client_id"] ?? "");
    this.scopes = new Set(String(claims["scope"] ?? "").split(" ").filter(Boolean));
  }

  /** RFC 6750 §3.1: `insufficient_scope`. */
  require(...scopes: string[]): void {
    if (scopes.every((scope) => this.scopes.has(scope))) return;
    const needed = scopes.join(" ");
    throw new Refused("insufficient_scope", `this needs the scope ${needed}`, 403, "Bearer", needed);
  }
}

/** Whether an access token opens this API: RFC 9068 §4, RFC 9449 §7, RFC 8705 §3, RFC 7662. */
export class Verifier {
  readonly issuer: string;
  readonly audience: string;
  readonly #options: Options;
  readonly #server: Issuer;
  readonly #proofs: Proofs;
  readonly #bound: number;
  readonly #asked = new Map<string, [at: number, answer: JWTPayload]>();

  constructor(options: Options) {
    this.#bound = options.revocationBound ?? 30;
    if (!(this.#bound >= 0 && this.#bound <= 60)) {
      throw new RangeError("a revoked token may pass for 60 seconds at most");
    }
    this.issuer = options.issuer;
    this.audience = options.audience;
    this.#options = options;
    this.#server = new Issuer(options.issuer, options.fetch ?? fetch);
    this.#proofs = new Proofs(options.seen);
  }

  /** The token of a request; throws `Refused`, or `Unavailable` where nobody can know. */
  async verify(shown: Shown): Promise<Token> {
    const [scheme, text] = credentials(shown.authorization);
    const jwt = text.startsWith("eyJ") && text.split(".").length === 3;
    let claims = jwt ? await this.#jwt(text) : undefined;
    if (this.#options.client !== undefined || claims === undefined) {
      const told = await this.#introspected(text);
      claims ??= told;
    }
    this.#judge(claims);
    await this.#holds(claims, scheme, text, shown);
    return new Token(claims);
  }

  async #jwt(text: string): Promise<JWTPayload> {
    const keys = await this.#server.keys();
    try {
      const options = { algorithms: ALGORITHMS, typ: "at+jwt", clockTolerance: LEEWAY_S };
      return (await jwtVerify(text, keys, options)).payload;
    } catch (error) {
      if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) {
        throw new Unavailable("the issuer's keys cannot be had");
      }
      throw bad("the access token is not valid");
    }
  }

  /** Remembered for as long as a revocation may take, and never for longer. */
  async #introspected(text: string): Promise<JWTPayload> {
    const client = this.#options.client;
    if (client === undefined) throw bad("the access token is not valid: it is opaque");
    const name = await sha256(text);
    const now = performance.now() / 1000;
    let known = this.#asked.get(name);
    if (known === undefined || now - known[0] >= this.#bound) {
      const where = await this.#server.endpoint("introspection_endpoint");
      const pair = `${encodeURIComponent(client.id)}:${encodeURIComponent(client.secret)}`;
      const answer = await this.#server.json(where, {
        method: "POST",
        headers: { authorization: `Basic ${btoa(pair)}`, accept: "application/json" },
        body: new URLSearchParams({ token: text }),
      });
      known = [now, answer];
      this.#asked.delete(name);
      this.#asked.set(name, known);
      const oldest = this.#asked.keys().next();
      if (this.#asked.size > HELD && !oldest.done) this.#asked.delete(oldest.value);
    }
    if (known[1]["active"] !== true) {
      throw bad("the access token is not valid: it was revoked, or is unknown");
    }
    return known[1];
  }

  #judge(claims: JWTPayload): void {
    const now = Date.now() / 1000;
    const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
    if (claims.iss !== this.issuer) throw bad("the access token is of another issuer");
    if (!audiences.includes(this.audience)) throw bad("the access token is for another API");
    const { exp, nbf } = claims;
    if (exp !== undefined && (typeof exp !== "number" || exp + LEEWAY_S <= now)) {
      throw bad("the access token has expired");
    }
    if (nbf !== undefined && (typeof nbf !== "number" || nbf - LEEWAY_S > now)) {
      throw bad("the access token is not valid yet");
    }
  }

  async #holds(claims: JWTPayload, scheme: string, text: string, shown: Shown): Promise<void> {
    const cnf = (claims["cnf"] ?? {}) as Record<string, unknown>;
    const jkt = cnf["jkt"];
    const x5t = cnf["x5t#S256"];
    if (this.#options.requireBound && jkt === undefined && x5t === undefined) {
      throw bad("the access token is bound to no key", "DPoP");
    }
    // RFC 9449 §7.2: no downgrade
    if ((jkt !== undefined) !== (scheme === "dpop")) {
      throw bad("the access token does not go with this scheme", "DPoP");
    }
    if (x5t !== undefined) {
      const { certificate } = shown;
      if (certificate === undefined || (await sha256(certificate)) !== x5t) {
        throw bad("the access token is bound to another certificate");
      }
    }
    if (jkt === undefined) return;
    if (typeof jkt !== "string" || !shown.proof || shown.proof.includes(",")) {
      throw bad("this needs exactly one DPoP proof", "DPoP");
    }
    await this.#proofs.check(shown.proof, text, jkt, shown.method, shown.url);
  }
}

function credentials(authorization: string | null): [scheme: string, text: string] {
  const [, scheme, text] = /^([A-Za-z]+) +(.*)$/.exec(authorization ?? "") ?? [];
  if (scheme === undefined || text === undefined) throw new Refused(undefined);
  const name = scheme.toLowerCase();
  if (name !== "bearer" && name !== "dpop") throw new Refused(undefined);
  if (!/^[\x21-\x7e]{1,16384}$/.test(text)) throw bad("the access token is malformed");
  return [name, text];
}
