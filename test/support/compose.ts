import { dirname, join, resolve } from 'node:path'
import { parseDuration } from '../../src/lib/time.ts'

/** A service as compose has it, as far as the words below can say it. */
export type Service = Readonly<Record<string, unknown>> & { readonly image: string }

export interface Compose {
  readonly name: string
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, { readonly labels?: Record<string, string> }>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

/** Where a compose file lies, and what stands for its variables. */
export interface Surroundings {
  readonly file: string
  readonly compose: Compose
  readonly env: Readonly<Record<string, string>>
  /** Paths of the machine that are other ones here. */
  readonly moved: Readonly<Record<string, string>>
}

type Words = (value: never, around: Surroundings) => readonly string[]

const many = (flag: string) => (values: readonly string[]) =>
  values.map((value) => `--${flag}=${value}`)
const one = (flag: string) => (value: unknown) => [`--${flag}=${value}`]
const nothing = () => []
const pairs = (flag: string) => (values: Readonly<Record<string, string>>, around: Surroundings) =>
  Object.entries(values).map(([name, value]) => `--${flag}=${name}=${filled(value, around)}`)

/** Keys of a service, as words for `docker run`. One that is not here is refused: it would go untested. */
const KEYS: Readonly<Record<string, Words>> = {
  image: nothing,
  command: nothing,
  // The test has built it.
  build: nothing,
  depends_on: nothing,
  restart: one('restart'),
  init: one('init'),
  read_only: one('read-only'),
  tmpfs: many('tmpfs'),
  cap_drop: many('cap-drop'),
  cap_add: many('cap-add'),
  security_opt: many('security-opt'),
  environment: pairs('env'),
  labels: pairs('label'),
  stop_grace_period: (value: string) => [
    `--stop-timeout=${(parseDuration(value) ?? Number.NaN) / 1000}`,
  ],
  volumes: (values: readonly string[], { file, compose, moved }) =>
    values.map((value) => {
      const [from = '', ...rest] = value.split(':')
      const source = /^[./]/.test(from)
        ? (moved[from] ?? resolve(dirname(file), from))
        : `${compose.name}_${from}`
      return `--volume=${[source, ...rest].join(':')}`
    }),
  secrets: (values: readonly string[], { file, compose }) =>
    values.map((name) => {
      const from = compose.secrets[name]?.file ?? 'none'
      return `--volume=${join(dirname(file), from)}:/run/secrets/${name}:ro`
    }),
  healthcheck: (value: Readonly<Record<string, unknown>>) =>
    Object.entries(value).map(([key, said]) => {
      if (key !== 'test') return `--health-${key}=${said}`
      const [kind, ...words] = said as readonly string[]
      if (kind !== 'CMD') throw new Error(`a health check by ${kind} is not known here`)
      return `--health-cmd=${words.join(' ')}`
    }),
}

/** Words for `docker run` that make the container of a service as `docker compose up` does. */
export function runWords(service: string, around: Surroundings): readonly string[] {
  const { compose } = around
  const found = compose.services[service]
  if (found === undefined) throw new Error(`no service ${service}`)
  const options = Object.entries(found).flatMap(([key, value]) => {
    const words = KEYS[key]
    if (words === undefined) throw new Error(`${key} of service ${service} is not known here`)
    return words(value as never, around)
  })
  const own = { project: compose.name, service }
  return [
    `--name=${compose.name}-${service}-1`,
    ...[`--network=${compose.name}_default`, `--network-alias=${service}`],
    ...Object.entries(own).map(([name, value]) => `--label=com.docker.compose.${name}=${value}`),
    ...options,
    found.image,
    ...((found.command ?? []) as readonly string[]),
  ]
}

/** Words for `docker volume create`. */
export function volumeWords(name: string, { compose }: Surroundings): readonly string[] {
  const labels = {
    'com.docker.compose.project': compose.name,
    'com.docker.compose.volume': name,
    ...compose.volumes[name]?.labels,
  }
  return [
    ...Object.entries(labels).map(([label, value]) => `--label=${label}=${value}`),
    `${compose.name}_${name}`,
  ]
}

function filled(value: string, { env }: Surroundings): string {
  return value.replace(/\$\{(\w+):\?[^}]*\}/g, (_, name: string) => {
    const given = env[name]
    if (given === undefined) throw new Error(`nobody gives ${name}`)
    return given
  })
}
