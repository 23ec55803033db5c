import type { Reporter, TestModule } from 'vitest/node'

/** Seconds that the files of each folder may take together on two cores, three files at once; a suite over its budget is marked. */
const BUDGETS: Readonly<Record<string, number>> = {
  core: 90,
  lib: 20,
  config: 60,
  platform: 60,
  stream: 120,
  sources: 420,
  targets: 300,
  state: 210,
  leases: 120,
  notify: 60,
  act: 120,
  observe: 60,
  daemon: 300,
  http: 120,
  cli: 480,
  view: 30,
  docker: 330,
  volume: 420,
  docs: 330,
  storm: 1000,
  chaos: 180,
  gates: 90,
}

/** Prints what each suite took of its budget, and as the last line `N passed, N failed`. */
export default class BudgetReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const seconds = new Map<string, number>()
    let passed = 0
    let failed = errors.length
    for (const module of modules) {
      const suite = module.relativeModuleId.split('/')[1] ?? 'test'
      const spent = module.diagnostic().duration / 1000
      seconds.set(suite, (seconds.get(suite) ?? 0) + spent)
      if (module.errors().length > 0) failed++
      for (const test of module.children.allTests()) {
        // A skipped test hides a gap: it counts as failed.
        if (test.result().state === 'passed') passed++
        else failed++
      }
    }
    console.log('\nsuite        seconds  budget')
    for (const [suite, spent] of [...seconds].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const budget = BUDGETS[suite] ?? 60
      const over = spent > budget ? '  over budget' : ''
      console.log(
        `${suite.padEnd(12)} ${spent.toFixed(1).padStart(7)} ${String(budget).padStart(7)}${over}`,
      )
    }
    if (failed > 0) process.exitCode = 1
    console.log(`\n${passed} passed, ${failed} failed`)
  }
}
