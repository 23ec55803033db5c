declare const brand: unique symbol

/** A type that only its own parser makes: `Brand<number, 'Instant'>` is no plain number. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name }

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = Brand<number, 'Instant'>
/** A length of time in milliseconds. */
export type Millis = Brand<number, 'Millis'>
/** A size in bytes. */
export type Bytes = Brand<number, 'Bytes'>
