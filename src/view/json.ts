import type { Action, Kept, Plan } from '../core/action.ts'
import { encodeManifest } from '../core/manifest.ts'
import type { Copy, Instant, Restore } from '../core/model.ts'
import { iso } from '../lib/time.ts'
import { unreachable } from '../lib/unreachable.ts'
import { coverageJson } from './coverage.ts'
import { type Summary, summarize } from './summary.ts'

/** Anything that JSON can say. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json }

type JsonObject = { readonly [key: string]: Json }

/** The document of `plan --json`, as schema/plan.schema.json describes it. */
export interface PlanDocument {
  readonly actions: readonly JsonObject[]
  readonly warnings: readonly JsonObject[]
  /** Absent: nobody looks for apps. */
  readonly coverage?: JsonObject
  readonly summary: Summary
}

/** A plan as one document: camelCase, instants as ISO 8601 in UTC. */
export function planJson(plan: Plan): PlanDocument {
  return {
    actions: plan.actions.map(actionJson),
    warnings: plan.warnings.map(({ rule, subject, message, hint }) => ({
      rule,
      subject,
      message,
      hint,
    })),
    ...(plan.coverage === undefined ? {} : { coverage: coverageJson(plan.coverage) }),
    summary: summarize(plan),
  }
}

/** One step: `kind`, `subject`, `because` with its `rule`, and what the kind has beside them. */
export function actionJson(action: Action): JsonObject {
  const { kind, subject } = action
  return { kind, subject, ...detailsOf(action), because: becauseJson(action.because) }
}

function detailsOf(action: Action): JsonObject {
  switch (action.kind) {
    case 'restore':
      return { variable: action.request.variable, value: action.request.value }
    case 'target.create':
    case 'target.update':
    case 'target.remove':
    case 'job.create':
    case 'job.update':
    case 'job.remove':
      return {}
    case 'posture':
      return { settable: action.settable, hint: action.hint }
    case 'backup': {
      const { sources, attempt, trigger } = action
      return { sources, slot: instant(action.slot), attempt, trigger }
    }
    case 'skip':
      return { slot: iso(action.slot) }
    case 'abandon':
      return { backup: action.backup }
    case 'adopt':
      return { key: action.key, manifest: JSON.parse(encodeManifest(action.manifest)) }
    case 'missing':
    case 'verify':
      return { copy: copyJson(action.copy) }
    case 'copy':
      return { target: action.target, from: copyJson(action.from) }
    case 'debris':
      return { backup: action.backup, object: objectJson(action.object) }
    case 'prune':
      return { ...placeJson(action), drop: action.drop.map(copyJson) }
    case 'prune-blocked':
      return { ...placeJson(action), would: action.would.map(copyJson) }
    case 'release':
      return { restore: restoreJson(action.restore) }
    default:
      return unreachable(action)
  }
}

/** Reasons hold names, numbers and instants; the instants are told by their keys. */
function becauseJson(because: Action['because']): JsonObject {
  const instants = new Set(['slot', 'nextSlot', 'since', 'verifiedAt', 'before'])
  return Object.fromEntries(
    Object.entries(because).map(([key, value]): [string, Json] => [
      key,
      instants.has(key) ? instant(value) : value,
    ]),
  )
}

function placeJson(action: Extract<Action, { readonly keep: readonly Kept[] }>): JsonObject {
  const { target, group, keep } = action
  return {
    target,
    group,
    keep: keep.map(({ copy, reasons }) => ({ ...copyJson(copy), keptBecause: reasons })),
  }
}

function copyJson(copy: Copy): JsonObject {
  return {
    backup: copy.backup,
    target: copy.target,
    group: copy.group,
    storagePath: copy.key,
    status: copy.status,
    sizeBytes: copy.bytes,
    checksum: copy.sha256 === null ? null : `sha256:${copy.sha256}`,
    takenAt: iso(copy.takenAt),
    verify: copy.verify,
    verifiedAt: instant(copy.verifiedAt),
  }
}

function objectJson(object: Extract<Action, { readonly kind: 'debris' }>['object']): JsonObject {
  if (object.kind === 'archive') return { kind: object.kind, key: object.key, bytes: object.bytes }
  const { key, token, bytes } = object.unfinished
  return { kind: object.kind, key, token, bytes }
}

function restoreJson(restore: Restore): JsonObject {
  const { id, reference, source, to, previous, finishedAt } = restore
  return { id, reference, source, to, previous, finishedAt: instant(finishedAt) }
}

function instant(at: Instant | null): string | null {
  return at === null ? null : iso(at)
}
