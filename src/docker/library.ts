import { createRequire, Module } from 'node:module'
import type Dockerode from 'dockerode'

/**
 * The library of the engine's API, without what it would load for sessions with BuildKit and for
 * engines behind SSH. Nobody here asks for either, and they are most of the time that it takes to load.
 */
export async function loadLibrary(): Promise<typeof Dockerode> {
  const here = createRequire(import.meta.url)
  const library = createRequire(here.resolve('dockerode'))
  const modem = createRequire(library.resolve('docker-modem'))
  const builds = ['@grpc/grpc-js', '@grpc/proto-loader'].map((name) => library.resolve(name))
  for (const path of [...builds, modem.resolve('./ssh')]) {
    library.cache[path] ??= Object.assign(new Module(path), { loaded: true })
  }
  return (await import('dockerode')).default
}
