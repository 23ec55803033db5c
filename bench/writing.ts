import { type Dice, dice } from './dice.ts'

export type FileKind = 'source' | 'json' | 'prose' | 'photo' | 'log' | 'database'

const WORDS = 6000
const SYLLABLES =
  'an ber co der e fi gra ho in jo ka len mi no or pa qui re se ta un ver wi ya zo ment tion ing er ly'.split(
    ' ',
  )
const PAGE = 4096

const vocabulary: readonly string[] = makeVocabulary()

function makeVocabulary(): readonly string[] {
  const random = dice(20)
  const words = new Set<string>()
  while (words.size < WORDS) {
    const syllables = Array.from({ length: 1 + random.roll(4) }, () => syllable(random))
    words.add(syllables.join(''))
  }
  return [...words]
}

function syllable(random: Dice): string {
  return SYLLABLES[random.roll(SYLLABLES.length)] ?? ''
}

/** Content of one file: exactly so many bytes, the same for the same seed. */
export function writeText(kind: Exclude<FileKind, 'photo'>, bytes: number, seed: number): Buffer {
  const random = dice(seed)
  const content = Buffer.alloc(bytes)
  const line = LINES[kind]
  for (let used = 0, number = 0; used < bytes; number++) {
    used += content.write(line(random, number), used, 'latin1')
    // A database is of pages, the rest of each is empty.
    if (kind === 'database' && used % PAGE > PAGE * 0.8) used += PAGE - (used % PAGE)
  }
  return content
}

/** Some words are used all the time, most of them rarely. */
function word(random: Dice): string {
  return vocabulary[Math.floor(WORDS * random.share() ** 3)] ?? ''
}

function words(random: Dice, count: number): string {
  let text = word(random)
  for (let index = 1; index < count; index++) text += ` ${word(random)}`
  return text
}

function time(random: Dice, number: number): string {
  return new Date(1.76e12 + number * 700 + random.roll(700)).toISOString()
}

const LINES: Readonly<
  Record<Exclude<FileKind, 'photo'>, (random: Dice, number: number) => string>
> = {
  prose: (random, number) =>
    number % 6 === 5
      ? `\n\n## ${words(random, 3)}\n\n`
      : `${words(random, 6 + random.roll(14))}.${random.roll(4) === 0 ? '\n' : ' '}`,
  source: (random, number) => {
    const indent = '  '.repeat(number % 5)
    switch (random.roll(5)) {
      case 0:
        return `${indent}const ${word(random)} = await ${word(random)}(${word(random)}, ${random.roll(100)})\n`
      case 1:
        return `${indent}if (${word(random)}.${word(random)} !== null) return ${word(random)}\n`
      case 2:
        return `${indent}// ${words(random, 8)}\n`
      case 3:
        return `export function ${word(random)}(${word(random)}: ${word(random)}): ${word(random)} {\n`
      default:
        return `${indent}}\n\n`
    }
  },
  json: (random, number) =>
    `  { "id": ${number}, "key": "${word(random)}-${random.roll(1e9).toString(16)}", "at": "${time(random, number)}", "title": "${words(random, 4)}", "amount": ${(random.share() * 1000).toFixed(2)}, "tags": ["${word(random)}", "${word(random)}"], "open": ${random.roll(2) === 0} },\n`,
  log: (random, number) =>
    `${time(random, number)} ${random.roll(20) === 0 ? 'WARN' : 'INFO'} [${word(random)}] request=${random.roll(2 ** 31).toString(16)} ${words(random, 5)} took ${random.roll(900)} ms from 10.0.${random.roll(20)}.${random.roll(250)}\n`,
  database: (random, number) =>
    `${String.fromCharCode(1 + random.roll(200), 4, 0, 0, random.roll(256))}${number}${words(random, 4)}${random.roll(2 ** 31).toString(16)}`,
}
