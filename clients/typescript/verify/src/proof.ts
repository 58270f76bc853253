import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify, type JWK } from "jose";

import { bad } from "./errors.js";

export const ALGORITHMS = ["ES256", "EdDSA", "PS256", "RS256"];
const FRESH_S = 60;
const AHEAD_S = 10;
const HELD = 100_000;

/** Remembers a proof until then (seconds since the epoch); true if it had come before. */
export type Seen = (proof: string, until: number) => Promise<boolean> | boolean;

/** DPoP proofs (RFC 9449 §4.3): the caller holds the key that the token is bound to. */
export class Proofs {
  readonly #held = new Map<string, number>();
  readonly #seen: Seen;

  constructor(seen?: Seen) {
    this.#seen = seen ?? ((proof, until) => this.#inMemory(proof, until));
  }

  async check(proof: string, token: string, jkt: string, method: string, url: string): Promise<void> {
    const { claims, jwk } = await this.#read(proof);
    if ((await calculateJwkThumbprint(jwk)) !== jkt) throw bad("the proof is by another key", "DPoP");
    if (claims["htm"] !== method || !same(claims["htu"], url)) {
      throw bad("the proof is for another request", "DPoP");
    }
    const now = Date.now() / 1000;
    const { iat, jti } = claims as { iat: unknown; jti: unknown };
    if (typeof iat !== "number" || iat < now - FRESH_S || iat > now + AHEAD_S) {
      throw bad("the proof is not fresh", "DPoP");
    }
    if (claims["ath"] !== (await sha256(token))) throw bad("the proof is for another token", "DPoP");
    if (typeof jti !== "string" || jti === "" || jti.length > 256) {
      throw bad("the proof has no jti", "DPoP");
    }
    if (await this.#seen(`${jkt}.${await sha256(jti)}`, iat + FRESH_S)) {
      throw bad("the proof was used before", "DPoP");
    }
  }

  async #read(proof: string): Promise<{ claims: Record<string, unknown>; jwk: JWK }> {
    try {
      const made = await jwtVerify(proof, EmbeddedJWK, {
        typ: "dpop+jwt",
        algorithms: ALGORITHMS,
        clockTolerance: AHEAD_S,
      });
      return { claims: made.payload, jwk: made.protectedHeader.jwk as JWK };
    } catch {
      throw bad("the proof is not valid", "DPoP");
    }
  }

  #inMemory(proof: string, until: number): boolean {
    const now = Date.now() / 1000;
    for (const [known, end] of this.#held) {
      if (end >= now && this.#held.size < HELD) break;
      this.#held.delete(known);
    }
    if (this.#held.has(proof)) return true;
    this.#held.set(proof, until);
    return false;
  }
}

export async function sha256(data: string | Uint8Array): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
  const text = btoa(String.fromCharCode(...digest));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** §4.3, item 9: without query and fragment, and normalised as `URL` does. */
function same(htu: unknown, url: string): boolean {
  if (typeof htu !== "string" || !URL.canParse(htu)) return false;
  return plain(htu) === plain(url);
}

function plain(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
