// An API behind the verifier for TypeScript: prints its port, then answers until its input ends.
import { createServer } from 'node:http'

const [, , module, issuer, audience, id, secret, bound] = process.argv
const { protect, Verifier } = await import(module)

const client = id === '-' ? {} : { client: { id, secret } }
const verifier = new Verifier({ issuer, audience, revocationBound: Number(bound), ...client })
const origin = new URL(audience).origin
const answer = protect(verifier, { scope: 'notes:read', origin }, (request, token) =>
  new Response(`${token.clientId} ${[...token.scopes].sort().join(' ')}`))

const server = createServer(async (incoming, outgoing) => {
  const headers = new Headers()
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at], incoming.rawHeaders[at + 1])
  }
  const request = new Request(origin + incoming.url, { method: incoming.method, headers })
  const response = await answer(request)
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  outgoing.end(await response.text())
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => server.close()).resume()
