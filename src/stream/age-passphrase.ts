import process from 'node:process'
import { text } from 'node:stream/consumers'
import { Decrypter, Encrypter } from 'age-encryption'
import { messageOf } from '../lib/errors.ts'
import { emptyFileHeader, fileKeyOf } from './age-library.ts'

/**
 * The program that `age-header.ts` runs for passphrases: one question on stdin, one answer on stdout,
 * both JSON, bytes in base64. Neither is ever seen in argv or the environment.
 */
export type Question =
  | { readonly kind: 'make'; readonly passphrase: string }
  | { readonly kind: 'open'; readonly passphrase: string; readonly header: string }

export type Answer =
  | { readonly kind: 'made'; readonly header: string; readonly fileKey: string }
  | { readonly kind: 'opened'; readonly fileKey: string }
  | { readonly kind: 'no-match' }
  | { readonly kind: 'damaged'; readonly message: string }

async function answer(question: Question): Promise<Answer> {
  if (question.kind === 'make') return await make(question.passphrase)
  const decrypter = new Decrypter()
  decrypter.addPassphrase(question.passphrase)
  try {
    const fileKey = await fileKeyOf(Buffer.from(question.header, 'base64'), decrypter)
    return fileKey ? { kind: 'opened', fileKey: base64(fileKey) } : { kind: 'no-match' }
  } catch (cause) {
    return { kind: 'damaged', message: messageOf(cause) }
  }
}

/** age allows no second recipient beside a passphrase, so the key is had by opening what was made. */
async function make(passphrase: string): Promise<Answer> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  const header = await emptyFileHeader(encrypter)
  const decrypter = new Decrypter()
  decrypter.addPassphrase(passphrase)
  const fileKey = await fileKeyOf(header, decrypter)
  if (!fileKey) throw new Error('a header that was just made does not open')
  return { kind: 'made', header: base64(header), fileKey: base64(fileKey) }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

const question: Question = JSON.parse(await text(process.stdin))
process.stdout.write(JSON.stringify(await answer(question)))
