import type { RegistryContentType } from 'prom-client'
import { METRICS, type MetricName } from '../core/metrics.ts'
import type { Inside } from '../daemon/face.ts'
import { SAMPLES } from './samples.ts'
import { look } from './seen.ts'

/** What is scraped, and its media type. */
export interface Scraped {
  readonly text: string
  readonly type: string
}

const TYPES = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
} as const

/** Every metric as it is now. The library is loaded by the first who asks. */
export async function scrape(
  inside: Inside,
  format: 'openmetrics' | 'prometheus',
): Promise<Scraped> {
  const { Counter, Gauge, Registry } = await import('prom-client')
  const seen = await look(inside)
  const registry = new Registry<RegistryContentType>()
  registry.setContentType(TYPES[format])
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const { kind, labels, help } = METRICS[name]
    const samples = SAMPLES[name](seen)
    if (samples.length === 0) continue
    const settings = { name: `holdfast_${name}`, help, labelNames: labels, registers: [registry] }
    const metric = kind === 'counter' ? new Counter(settings) : new Gauge(settings)
    for (const { value, labels: own = {} } of samples) metric.inc(own, value)
  }
  return { text: await registry.metrics(), type: registry.contentType }
}
