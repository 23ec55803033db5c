import { isWithin } from './database-images.ts'

/** What the machine has anyway, and what holds no data of an app. */
const PLACES = [
  '/bin',
  '/boot',
  '/dev',
  '/etc/group',
  '/etc/hostname',
  '/etc/hosts',
  '/etc/localtime',
  '/etc/machine-id',
  '/etc/passwd',
  '/etc/resolv.conf',
  '/etc/ssl/certs',
  '/etc/timezone',
  '/lib',
  '/lib64',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/tmp',
  '/usr/bin',
  '/usr/lib',
  '/usr/share/ca-certificates',
  '/usr/share/zoneinfo',
  '/var/lib/docker',
  '/var/run',
]

/** Whether a bind mount of this path is the machine's or the engine's own, or a socket. */
export function isNoData(path: string): boolean {
  return path === '/' || /\.sock(et)?$/.test(path) || PLACES.some((one) => isWithin(path, one))
}
