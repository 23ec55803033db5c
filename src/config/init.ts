/** A commented config to begin with. It is valid as it stands, with relative paths only. */
export function initialConfig(): string {
  return `# yaml-language-server: $schema=holdfast.schema.json
# (an editor explains each key with: holdfast config schema > holdfast.schema.json)
#
# What is backed up, where, when, and for how long. Relative paths start at this file.
# Look at what would happen with: holdfast plan

# State and scratch space of Holdfast.
data_dir: .holdfast

# Without this, archives are plain. Make a key with: age-keygen -o age.key
# encryption:
#   recipients: [age1...]
#   identity_file: /run/secrets/age.key

targets:
  disk:
    type: local
    path: ./backups
    # Fail rather than fill the root disk when the backup disk is not there:
    # require_mount: true

jobs:
  files:
    schedule: "0 2 * * *" # every day at 02:00
    timezone: UTC
    sources:
      - { type: directory, path: ./data, exclude: ["*.tmp"] }
      # - { type: sqlite, path: ./app.db }
      # - { type: command, name: dump, backup: [pg_dump, -Fc, app], extension: .dump }
    retention:
      keep_last: 3
      keep_daily: 7
      keep_weekly: 4
      keep_monthly: 12
    # notify: [ops]

# notify:
#   ops: { type: webhook, url: "\${WEBHOOK_URL}", on: [failure, recovery] }
`
}
