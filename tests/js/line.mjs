// What every journey here shares with the test that drives it: one JSON document a line to it, and
// from it where the browser landed.
import { createInterface } from 'node:readline/promises'

export const tell = (value) => console.log(JSON.stringify(value))

export async function landing() {
  const input = createInterface({ input: process.stdin })
  const landed = new URL(await input.question(''))
  input.close()
  return landed
}

export async function discover(issuer) {
  const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
  if (metadata.issuer !== issuer) throw new Error(`the issuer is ${metadata.issuer}`)
  return metadata
}
