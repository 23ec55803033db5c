import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Lets a commit through to the server, and then ends the connection before the answer. */
export async function startCutter(port: number) {
  let isArmed = false
  const proxy = createServer((client) => {
    const target = connect(port, '127.0.0.1')
    let isOver = false
    client.on('data', (bytes) => {
      isOver = isArmed && bytes.includes('commit\0')
      target.write(bytes)
    })
    target.on('data', (bytes) => {
      if (!isOver) client.write(bytes)
      else {
        isArmed = false
        client.destroy()
      }
    })
    for (const socket of [client, target]) socket.on('error', () => {})
    client.on('close', () => target.destroy())
    target.on('close', () => client.destroy())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    cutAtCommit: () => {
      isArmed = true
    },
    close: () => new Promise((closed) => proxy.close(closed)),
  }
}
