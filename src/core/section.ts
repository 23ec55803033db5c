import { ConfigError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { parseSize } from '../lib/size.ts'
import type { Bytes, Options, OptionValue } from './model.ts'

/** A block of the config, read key by key. Each reader throws `ConfigError` naming the key at fault. */
export interface Section {
  /** Path of the block in the config: `targets.nas`. */
  readonly path: string
  string(key: string): string
  optional(key: string): string | null
  number(key: string, otherwise: number): number
  flag(key: string, otherwise: boolean): boolean
  strings(key: string): readonly string[]
  secret(key: string): Secret | null
  /** Bytes: a number, or text as `10MiB`. */
  size(key: string, otherwise: Bytes): Bytes
  /** A map of names to strings or secrets; empty when it is not there. */
  table(key: string): Readonly<Record<string, string | Secret>>
  /** A block within the block, or null when it is not there. */
  block(key: string): Section | null
  /** The blocks of a list; none when it is not there. */
  blocks(key: string): readonly Section[]
}

/** Reads `options`, which the schema has already checked, as the block at `path`. */
export function section(path: string, options: Options): Section {
  const fault = (key: string, message: string) =>
    new ConfigError([{ at: path, path: `${path}.${key}`, message, hint: null }])
  const typed = <T extends OptionValue>(
    key: string,
    is: (value: OptionValue) => value is T,
    name: string,
  ) => {
    const value = options[key]
    if (value === undefined || value === null) return null
    if (!is(value)) throw fault(key, `must be ${name}`)
    return value
  }
  const isString = (value: OptionValue) => typeof value === 'string'
  const isNumber = (value: OptionValue) => typeof value === 'number'
  const isFlag = (value: OptionValue) => typeof value === 'boolean'
  const isSecret = (value: OptionValue): value is Secret => value instanceof Secret
  const isStrings = (value: OptionValue): value is readonly string[] =>
    Array.isArray(value) && value.every((one) => typeof one === 'string')
  const isSize = (value: OptionValue): value is string | number =>
    typeof value === 'number' || (typeof value === 'string' && parseSize(value) !== null)
  const isBlock = (value: OptionValue): value is Options =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Secret)
  const isBlocks = (value: OptionValue): value is readonly Options[] =>
    Array.isArray(value) && value.every(isBlock)
  const isTable = (value: OptionValue): value is Readonly<Record<string, string | Secret>> =>
    isBlock(value) && Object.values(value).every((one) => isString(one) || isSecret(one))

  return {
    path,
    string(key) {
      const value = typed(key, isString, 'a string')
      if (value === null) throw fault(key, 'is missing')
      return value
    },
    optional: (key) => typed(key, isString, 'a string'),
    number: (key, otherwise) => typed(key, isNumber, 'a number') ?? otherwise,
    flag: (key, otherwise) => typed(key, isFlag, 'true or false') ?? otherwise,
    strings: (key) => typed(key, isStrings, 'a list of strings') ?? [],
    secret: (key) => typed(key, isSecret, 'a secret'),
    size(key, otherwise) {
      const value = typed(key, isSize, 'a size, as 10MiB')
      if (value === null) return otherwise
      return typeof value === 'number' ? (value as Bytes) : (parseSize(value) ?? otherwise)
    },
    table: (key) => typed(key, isTable, 'a map of names to strings') ?? {},
    block(key) {
      const value = typed(key, isBlock, 'a block')
      return value && section(`${path}.${key}`, value)
    },
    blocks(key) {
      const values = typed(key, isBlocks, 'a list of blocks') ?? []
      return values.map((value, index) => section(`${path}.${key}[${index}]`, value))
    },
  }
}
