import { ConfigError, reportOf } from '../lib/errors.ts'
import { paint, plain, type Style } from './paint.ts'

/** A failure as one JSON document; of a config every fault with its place, not only the first. */
export function errorJson(error: unknown): string {
  const faults = error instanceof ConfigError ? { faults: error.faults } : {}
  return JSON.stringify({ error: { ...reportOf(error), ...faults } }, null, 2)
}

/** A failure for a person: what went wrong, every fault of a config with its place, and what to do. */
export function renderError(error: unknown, style: Style): string {
  if (error instanceof ConfigError && error.faults.length > 0) return configFaults(error, style)
  const { message, hint } = reportOf(error)
  return [`${label('error', style)} ${plain(message)}`, ...hintLines(hint, style)].join('\n')
}

function configFaults({ faults }: ConfigError, style: Style): string {
  const many = faults.length === 1 ? 'has a fault' : `has ${faults.length} faults`
  const lines = faults.flatMap(({ at, path, message, hint }) => [
    `  ${paint(plain(at), 'bold', style)}  ${path === '' ? '' : `${plain(path)}: `}${plain(message)}`,
    ...(hint === null ? [] : [`      ${paint(plain(hint), 'dim', style)}`]),
  ])
  return [`${label('error', style)} the config ${many}`, ...lines].join('\n')
}

function hintLines(hint: string | null, style: Style): readonly string[] {
  return hint === null ? [] : [`  ${paint('hint:', 'cyan', style)} ${plain(hint)}`]
}

function label(word: string, style: Style): string {
  return paint(`${word}:`, 'red', style)
}
