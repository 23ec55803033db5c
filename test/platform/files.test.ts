import { execFileSync } from 'node:child_process'
import {
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Refused } from '../../src/lib/errors.ts'
import {
  codeOf,
  exists,
  freeBytes,
  isMountPoint,
  makeFolders,
  PathTaken,
  readTextFile,
  removeDurably,
  renameNew,
  syncFile,
  syncFolder,
  writeFileDurably,
} from '../../src/platform/files.ts'
import { mountReadOnly, mountTmpfs } from '../support/mounts.ts'
import { traced } from '../support/strace.ts'

const FILES = import.meta.resolve('../../src/platform/files.ts')

describe('makeFolders', () => {
  it('makes missing parents with the mode and leaves the mode of what is there', async () => {
    const root = await folder()
    await mkdir(join(root, 'a'), { mode: 0o755 })

    await makeFolders(join(root, 'a/b/c'), 0o700)
    await makeFolders(join(root, 'a/b/c'), 0o755)

    const modes = ['a', 'a/b', 'a/b/c'].map(async (path) => (await stat(join(root, path))).mode)
    expect((await Promise.all(modes)).map((mode) => mode & 0o777)).toEqual([0o755, 0o700, 0o700])
  })

  it('refuses a file in its way', async () => {
    const root = await folder()
    await writeFile(join(root, 'file'), '')

    await expect(makeFolders(join(root, 'file'), 0o700)).rejects.toBeInstanceOf(PathTaken)
    await expect(makeFolders(join(root, 'file/a'), 0o700)).rejects.toThrow('ENOTDIR')
  })

  it('syncs the parent of each folder that it makes', async () => {
    const root = await folder()
    const calls = await callsOf(`makeFolders('${root}/a/b', 0o700)`)

    expect(calls.map((call) => call.replaceAll(root, ''))).toEqual([
      expect.stringMatching(/^mkdir\("\/a\/b", 0700\) += -1 ENOENT/),
      expect.stringMatching(/^mkdir\("\/a", 0700\) += 0/),
      expect.stringMatching(/^fsync\(\d+<>\) += 0/),
      expect.stringMatching(/^mkdir\("\/a\/b", 0700\) += 0/),
      expect.stringMatching(/^fsync\(\d+<\/a>\) += 0/),
    ])
  })
})

describe('renameNew', () => {
  it('moves a file to a free name', async () => {
    const root = await folder()
    await writeFile(join(root, 'from'), 'content')

    await renameNew(join(root, 'from'), join(root, 'to'))

    expect(await readdir(root)).toEqual(['to'])
    expect(await readFile(join(root, 'to'), 'utf8')).toBe('content')
  })

  it('keeps what has the name already, be it a file, a folder or a dangling link', async () => {
    const root = await folder()
    await writeFile(join(root, 'from'), 'new')
    await writeFile(join(root, 'file'), 'old')
    await mkdir(join(root, 'folder'))
    await symlink('nowhere', join(root, 'link'))

    for (const name of ['file', 'folder', 'link']) {
      const refusal = renameNew(join(root, 'from'), join(root, name))
      await expect(refusal).rejects.toBeInstanceOf(PathTaken)
      await expect(refusal).rejects.toThrow(`${join(root, name)} exists already`)
    }
    expect(await readFile(join(root, 'file'), 'utf8')).toBe('old')
    expect((await readdir(root)).sort()).toEqual(['file', 'folder', 'from', 'link'])
  })

  it('finishes a link that was made although its answer was lost', async () => {
    const root = await folder()
    await writeFile(join(root, 'from'), 'content')
    await link(join(root, 'from'), join(root, 'to'))

    await renameNew(join(root, 'from'), join(root, 'to'))

    expect(await readdir(root)).toEqual(['to'])
  })

  it('leaves nothing under the new name when it fails', async () => {
    const root = await folder()
    for (const faults of [
      ['unlink:error=EIO:when=1'],
      ['link:error=EPERM', 'rename:error=EIO:when=1'],
    ]) {
      await writeFile(join(root, 'from'), 'content')
      const run = await traced(script(`renameNew('${root}/from', '${root}/to')`), CALLS, faults)
      expect(run.stdout).toContain('EIO')
      expect(await readdir(root)).toEqual(['from'])
    }
  })

  it('never overwrites and loses nothing where hard links are refused', async () => {
    const root = await folder()
    await writeFile(join(root, 'from'), 'content')
    const attempt = () =>
      traced(script(`renameNew('${root}/from', '${root}/to')`), CALLS, ['link:error=EPERM'])

    await attempt()
    expect(await readFile(join(root, 'to'), 'utf8')).toBe('content')
    await writeFile(join(root, 'from'), 'second')
    expect((await attempt()).stdout).toContain('exists already')

    expect(await readFile(join(root, 'to'), 'utf8')).toBe('content')
    expect(await readFile(join(root, 'from'), 'utf8')).toBe('second')
  })
})

describe('writeFileDurably', () => {
  it('replaces the content and sets the mode, whatever the umask and the old mode', async () => {
    const root = await folder()
    const path = join(root, 'file')
    await writeFile(path, 'old', { mode: 0o600 })
    const umask = process.umask(0o077)
    onTestFinished(() => {
      process.umask(umask)
    })

    await writeFileDurably(path, 'new', 0o644)

    expect(await readFile(path, 'utf8')).toBe('new')
    expect((await stat(path)).mode & 0o777).toBe(0o644)
    expect(await readdir(root)).toEqual(['file'])
  })

  it('syncs the content before it takes the name, and the folder after', async () => {
    const root = await folder()
    const calls = await callsOf(`writeFileDurably('${root}/file', 'x', 0o600)`)

    expect(
      calls.map((call) => call.replaceAll(root, '').replace(/\.file\.[^.]+\.tmp/g, 'new')),
    ).toEqual([
      expect.stringMatching(/^openat\(.*\/new", O_WRONLY\|O_CREAT\|O_EXCL/),
      expect.stringMatching(/^fsync\(\d+<\/new>\) += 0/),
      expect.stringMatching(/^rename\("\/new", "\/file"\) += 0/),
      expect.stringMatching(/^fsync\(\d+<>\) += 0/),
    ])
  })

  it('keeps the old content and leaves nothing beside it when the disk is full', async () => {
    await using disk = await mountTmpfs('64k')
    const path = join(disk.path, 'file')
    await writeFileDurably(path, 'old', 0o600)

    await expect(writeFileDurably(path, 'x'.repeat(200_000), 0o600)).rejects.toThrow('ENOSPC')

    expect(await readdir(disk.path)).toEqual(['file'])
    expect(await readFile(path, 'utf8')).toBe('old')
  })
})

describe('removeDurably', () => {
  it('removes a file, and succeeds when it or its folder is gone', async () => {
    const root = await folder()
    await writeFile(join(root, 'file'), '')

    await removeDurably(join(root, 'file'))
    await removeDurably(join(root, 'file'))
    await removeDurably(join(root, 'missing/file'))

    expect(await readdir(root)).toEqual([])
  })

  it('syncs the folder, also when the file was gone', async () => {
    const root = await folder()
    const calls = await callsOf(`removeDurably('${root}/file')`)

    expect(calls.at(-1)).toMatch(/^fsync\(/)
  })

  it('tells what keeps it from removing', async () => {
    const root = await folder()
    await writeFile(join(root, 'file'), '')
    await using disk = await mountReadOnly(root)

    await expect(removeDurably(join(disk.path, 'file'))).rejects.toThrow('EROFS')
  })
})

describe('readTextFile', () => {
  it('gives the text up to the limit, without a byte order mark', async () => {
    const path = join(await folder(), 'file')
    await writeFile(path, '\uFEFFgrün')

    expect(await readTextFile(path, 8)).toBe('grün')
    await expect(readTextFile(path, 7)).rejects.toThrow(`${path} is larger than 7 B`)
  })

  it('reads what has no size, and never more than the limit of it', async () => {
    expect(await readTextFile('/proc/self/stat', 100_000)).toContain(`${process.pid}`)
    await expect(readTextFile('/dev/zero', 1000)).rejects.toBeInstanceOf(Refused)
  })

  it('refuses bytes that are no UTF-8 and passes the system error of a missing file', async () => {
    const path = join(await folder(), 'file')
    await writeFile(path, Buffer.from([0x61, 0xff, 0xfe]))

    await expect(readTextFile(path, 100)).rejects.toThrow('is not UTF-8 text')
    const error = await readTextFile(`${path}.missing`, 100).catch((error: unknown) => error)
    expect(codeOf(error)).toBe('ENOENT')
  })
})

describe('isMountPoint', () => {
  it('knows mounts, bind mounts of the same disk, and names with spaces', async () => {
    const root = await folder()
    await using memory = await mountTmpfs('64k')
    await using bind = await mountReadOnly(root)
    const odd = join(memory.path, 'a b')
    await mkdir(odd)
    execFileSync('mount', ['--bind', root, odd])
    try {
      expect(await isMountPoint(odd)).toBe(true)
    } finally {
      execFileSync('umount', [odd])
    }

    expect(await isMountPoint('/')).toBe(true)
    expect(await isMountPoint(memory.path)).toBe(true)
    expect(await isMountPoint(bind.path)).toBe(true)
    expect(await isMountPoint(odd)).toBe(false)
    expect(await isMountPoint(root)).toBe(false)
    expect(await isMountPoint(join(root, 'missing'))).toBe(false)
  })
})

describe('small questions', () => {
  it('finds whatever is at a path, dangling links included', async () => {
    const root = await folder()
    await symlink('nowhere', join(root, 'link'))
    await writeFile(join(root, 'file'), '')

    expect(await exists(join(root, 'link'))).toBe(true)
    expect(await exists(join(root, 'file/below'))).toBe(false)
    expect(await exists(join(root, 'missing'))).toBe(false)
  })

  it('tells the free bytes of a file system', async () => {
    await using disk = await mountTmpfs('1m')

    expect(await freeBytes(disk.path)).toBe(1024 * 1024)
    await writeFile(join(disk.path, 'half'), Buffer.alloc(512 * 1024))
    expect(await freeBytes(disk.path)).toBe(512 * 1024)
  })

  it('syncs files and folders that are there, and fails for those that are not', async () => {
    const root = await folder()
    await writeFile(join(root, 'file'), 'x')

    await syncFile(join(root, 'file'))
    await syncFolder(root)

    await expect(syncFile(join(root, 'missing'))).rejects.toThrow('ENOENT')
    await expect(syncFolder(join(root, 'missing'))).rejects.toThrow('ENOENT')
  })
})

const CALLS = 'fsync,fdatasync,link,rename,unlink,mkdir,openat'

function script(call: string): string[] {
  const code = `import(${JSON.stringify(FILES)}).then((f) => f.${call}).catch((e) => console.log(e.message))`
  return ['-e', code]
}

/** What the call asks of the disk below a temporary folder; opening for reading is left out. */
async function callsOf(call: string): Promise<readonly string[]> {
  const { calls } = await traced(script(call), CALLS)
  return calls.filter((line) => line.includes('holdfast-files-') && !line.includes('O_RDONLY'))
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-files-'))
  onTestFinished(async () => {
    await lstat(path)
    await rm(path, { recursive: true, force: true })
  })
  return path
}
