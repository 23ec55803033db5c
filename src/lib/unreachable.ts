/** The end of an exhaustive `switch`: does not compile while a case is forgotten. */
export function unreachable(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`)
}
