/** How a person reads: whether the terminal shows colours. */
export interface Style {
  readonly color: boolean
}

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36, bold: 1, dim: 2 } as const

export type Colour = keyof typeof CODES

/** The text in a colour, or as it is when none are wanted. */
export function paint(text: string, colour: Colour, { color }: Style): string {
  return color ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text
}

/** Text from elsewhere on one line, without anything that a terminal would obey. */
export function plain(text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ').replaceAll(/\p{Cc}/gu, '\ufffd')
}
