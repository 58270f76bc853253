// Calls every provider of @auth/core and prints what it returns, as JSON.
// Where a profile's id lies is found by handing the function something that remembers what is
// read of it.
import { readdirSync } from "node:fs"
import { pathToFileURL } from "node:url"

const folder = pathToFileURL(process.argv[2] + "/")
const options = { clientId: "our-client-id", clientSecret: "our-client-secret", issuer: "https://{host}" }

const remembering = (path) =>
  new Proxy(function () {}, {
    get(_, name) {
      if (name === Symbol.toPrimitive || name === "toString") return () => path
      if (name === "then") return undefined
      return typeof name === "string" ? remembering(`${path}/${name}`) : undefined
    },
    apply: () => remembering(path.replace(/\/toString$/, "")),
  })

async function accountId(provider) {
  try {
    const profile = await provider.profile(remembering(""), remembering("token"))
    const path = String(profile.id)
    return /^(\/[A-Za-z0-9_]+)+$/.test(path) ? path : null
  } catch {
    return null // it does more than to read fields
  }
}

const found = []
for (const name of readdirSync(folder).filter((name) => name.endsWith(".js")).sort()) {
  try {
    const { default: make } = await import(new URL(name, folder))
    const provider = make(options)
    if (provider.type !== "oauth" && provider.type !== "oidc") continue
    const { id, name: title, authorization, token, userinfo, checks, client } = provider
    const usual = typeof userinfo?.request !== "function"
    found.push({
      id,
      name: title,
      authorization,
      token: typeof token?.request === "function" || token?.conform ? { url: token.url } : token,
      userinfo: usual ? userinfo : null,
      checks,
      client,
      account_id: provider.profile && usual ? await accountId(provider) : null,
    })
  } catch {
    // a module that is no provider, or needs more options than an id and a secret
  }
}
console.log(JSON.stringify(found))
