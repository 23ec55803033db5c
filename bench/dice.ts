/** A small generator of numbers that look random and are the same for the same seed. */
export interface Dice {
  /** 0 to 1, without 1. */
  share(): number
  /** A whole number from 0 to below `sides`. */
  roll(sides: number): number
}

/** Mulberry32. */
export function dice(seed: number): Dice {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { share: next, roll: (sides) => Math.floor(next() * sides) }
}
