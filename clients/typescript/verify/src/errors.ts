/** Why a request is not let in, as HTTP says it (RFC 6750 §3.1, RFC 9449 §7.1). */
export class Refused extends Error {
  constructor(
    /** Undefined: there were no credentials at all. */
    readonly error: string | undefined,
    readonly description = "",
    readonly status = 401,
    readonly scheme: "Bearer" | "DPoP" = "Bearer",
    readonly scope?: string,
  ) {
    super(description || error || "no credentials");
  }

  challenge(resourceMetadata?: string): string {
    const told: [string, string | undefined][] = [
      ["error", this.error],
      ["error_description", this.description || undefined],
      ["scope", this.scope],
      ["algs", this.scheme === "DPoP" ? "ES256 EdDSA PS256 RS256" : undefined],
      ["resource_metadata", resourceMetadata],
    ];
    const says = told.filter(([, text]) => text !== undefined).map(([name, text]) => `${name}="${text}"`);
    return `${this.scheme} ${says.join(", ")}`.trim();
  }
}

/** The issuer cannot be asked, and what is held is too old: nobody is let in on a guess. */
export class Unavailable extends Error {}

export function bad(description: string, scheme: "Bearer" | "DPoP" = "Bearer"): Refused {
  return new Refused("invalid_token", description, 401, scheme);
}
