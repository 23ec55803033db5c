/** Socket of the SSH agent of whoever started us; null where none runs. */
export function sshAgentSocket(): string | null {
  return process.env.SSH_AUTH_SOCK || null
}
