import type { Answer } from './answer.ts'
import type { Routed } from './routes.ts'
import { scrape } from './scrape.ts'

/** In the words of OpenMetrics to who asks for them, else of Prometheus. */
export async function metrics({ asked, inside }: Routed): Promise<Answer> {
  const isOpen = /application\/openmetrics-text/.test(asked.headers.accept ?? '')
  const { text, type } = await scrape(inside, isOpen ? 'openmetrics' : 'prometheus')
  return { status: 200, body: text, headers: { 'content-type': type } }
}
