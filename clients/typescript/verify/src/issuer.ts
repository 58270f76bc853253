import { createRemoteJWKSet, type JWTVerifyGetKey } from "jose";

import { Unavailable } from "./errors.js";

const TIMEOUT_MS = 5_000;

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** What an issuer says about itself (RFC 8414), and its keys. */
export class Issuer {
  #metadata: Promise<Record<string, unknown>> | undefined;
  #keys: JWTVerifyGetKey | undefined;

  constructor(
    readonly issuer: string,
    readonly fetch: Fetch,
  ) {}

  async endpoint(name: string): Promise<string> {
    const found = (await this.#described())[name];
    if (typeof found !== "string") throw new Unavailable(`the issuer has no ${name}`);
    return found;
  }

  /** Held by jose: fetched again for an unknown `kid`, but not more often than every 30 s. */
  async keys(): Promise<JWTVerifyGetKey> {
    this.#keys ??= createRemoteJWKSet(new URL(await this.endpoint("jwks_uri")), {
      timeoutDuration: TIMEOUT_MS,
    });
    return this.#keys;
  }

  async json(url: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const answer = await this.fetch(url, { redirect: "error", signal, ...init });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const found: unknown = await answer.json();
      if (typeof found !== "object" || found === null) throw new Error("not an object");
      return found as Record<string, unknown>;
    } catch (error) {
      throw new Unavailable(`${url}: ${error instanceof Error ? error.message : "failed"}`);
    }
  }

  #described(): Promise<Record<string, unknown>> {
    this.#metadata ??= this.#describe().catch((error: unknown) => {
      this.#metadata = undefined;
      throw error;
    });
    return this.#metadata;
  }

  async #describe(): Promise<Record<string, unknown>> {
    const { origin, pathname } = new URL(this.issuer);
    const path = pathname === "/" ? "" : pathname;
    const found = await this.json(`${origin}/.well-known/oauth-authorization-server${path}`);
    // RFC 8414 §3.3: "MUST be identical"
    if (found["issuer"] !== this.issuer) throw new Unavailable("the metadata is of another issuer");
    return found;
  }
}
