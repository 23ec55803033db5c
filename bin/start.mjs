// Half the memory and a third of the start are the reading of our own modules. JavaScript, because
// the first TypeScript that is not in the cache loads the stripper, which is 17 MB and 30 ms. The
// folder is the installation's own: a cache in a shared /tmp would run what others put there.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'holdfast'))
await import('../src/main.ts')
