import type { DesiredSource, JobTarget } from './model.ts'

/** Passwords of roles are archived only where every copy is closed with a key. */
export function withRolePasswords(
  source: DesiredSource,
  targets: readonly JobTarget[],
): DesiredSource {
  if (source.kind !== 'postgres' || source.options.globals !== true) return source
  const isClosed = targets.length > 0 && targets.every(({ encryption }) => encryption !== null)
  return isClosed ? { ...source, options: { ...source.options, role_passwords: true } } : source
}
