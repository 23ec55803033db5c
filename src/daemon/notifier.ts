import type { World } from '../observe/world.ts'
export async function deliverNotifications(_world: World, _signal: AbortSignal): Promise<void> {}
