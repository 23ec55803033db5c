import { readFile } from 'node:fs/promises'

/** Where file systems are mounted, absolute; none on a system that does not tell. */
export async function mountPoints(): Promise<readonly string[]> {
  const table = await readFile('/proc/self/mountinfo', 'latin1').catch(() => '')
  const points = table.split('\n').flatMap((line) => {
    const point = line.split(' ')[4]
    if (point === undefined) return []
    const bytes = point.replace(/\\([0-7]{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    return [Buffer.from(bytes, 'latin1').toString('utf8')]
  })
  return [...new Set(points)]
}

/** Those of `points` that lie inside `path`, `path` itself not among them. */
export function mountsInside(points: readonly string[], path: string): readonly string[] {
  const root = path === '/' ? '/' : `${path}/`
  return points.filter((point) => point.startsWith(root) && point !== path)
}
