import type { BadAddress } from './redis-address.ts'

/** Where a Docker engine listens. */
export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/** Where engines listen unless told otherwise. */
export const USUAL_ENGINE = 'unix:///var/run/docker.sock'

const TCP_PORT = 2375

/** Reads `unix:///var/run/docker.sock` and `tcp://host:2375`, as `DOCKER_HOST` has them. */
export function parseEngineAddress(text: string): EngineAddress | BadAddress {
  const [, path] = /^unix:\/\/(\/.*)$/s.exec(text) ?? []
  if (path !== undefined) return { kind: 'unix', path }
  if (text.startsWith('unix:')) return bad('needs an absolute path: unix:///var/run/docker.sock')
  if (text.startsWith('ssh:')) return bad('SSH is not spoken: forward the socket with ssh -L')
  const [, bracketed, plain, digits] =
    /^tcp:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?\/?$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined) return bad('must be unix:///path/to/docker.sock or tcp://host:2375')
  const port = digits === undefined ? TCP_PORT : Number(digits)
  if (port < 1 || port > 65_535) return bad('its port must be one of 1 to 65535')
  return { kind: 'tcp', host, port }
}

/** The address as it is written in a file. */
export function formatEngineAddress(address: EngineAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `tcp://${host}:${address.port}`
}

function bad(why: string): BadAddress {
  return { kind: 'bad', why }
}
