import type { SecretFile } from "../engine.ts";

/** Where a step finds its secrets, a file each. */
export const SECRETS_PATH = "/run/secrets";

/**
 * What runs the command, once it reads an empty line. Lines before that are secrets: a name, `1` if it
 * is also a variable, and how many lines follow; so a value is never part of what the engine stores
 * or shows. Merging in the shell keeps stdout and stderr in order: the engine has two pipes. The
 * command must not inherit stdin, which stays open for the gate. After a failure, or when the kernel
 * killed a process for its memory, the shell lingers: an engine that sees the exit too soon forgets in
 * one case of forty that memory ran out. It must wait for what the command makes of a SIGTERM, hence
 * the trap. Its last word, on a stream that the command does not have, is the command's exit code, the
 * most memory that the container ever had and whether a process of it was killed for memory: one zero
 * before the most memory says no, two say yes, so that a worker of the version before, which may find
 * this container again, reads it too. The engine itself knows of the end only once it has taken the
 * container apart. All of it is done inside the shell: a process more would cost each step some
 * milliseconds.
 */
export const GATE_SCRIPT = `
tatara_go=
while IFS=' ' read -r tatara_name tatara_env tatara_count; do
  [ -n "$tatara_name" ] || { tatara_go=1; break; }
  IFS= read -r tatara_value
  while [ "$tatara_count" -gt 1 ]; do
    IFS= read -r tatara_line
    tatara_value="$tatara_value
$tatara_line"
    tatara_count=$((tatara_count - 1))
  done
  (umask 077; printf %s "$tatara_value" >"${SECRETS_PATH}/$tatara_name")
  [ "$tatara_env" = 0 ] || export "$tatara_name=$tatara_value"
done
[ -n "$tatara_go" ] || exit
unset TINI_KILL_PROCESS_GROUP
unset tatara_go tatara_name tatara_env tatara_count tatara_value tatara_line
trap : TERM
"$@" </dev/null 2>&1
code=$?
kills=
tatara_kills() {
  while read -r name count; do
    [ "$name" != oom_kill ] || kills=$count
  done <"$1"
}
{
  read -r peak </sys/fs/cgroup/memory/memory.max_usage_in_bytes ||
    read -r peak </sys/fs/cgroup/memory.peak || peak=
  tatara_kills /sys/fs/cgroup/memory/memory.oom_control ||
    tatara_kills /sys/fs/cgroup/memory.events
  [ "$code" -eq 0 ] && [ "\${kills:-0}" -eq 0 ] || sleep 0.1
} 2>/dev/null
case $kills in
  "") ;;
  0) peak=0$peak ;;
  *) peak=00$peak ;;
esac
echo "tatara-ended $code $peak" >&2
exit $code
`;

/** What the gate says when its command has ended. */
export interface GateWord {
  readonly code: number;
  /** null: the kernel does not tell. */
  readonly memoryPeakBytes: number | null;
  /** Whether the kernel killed a process of it for memory; null: not told. */
  readonly isKilledForMemory: boolean | null;
}

const WORD = /^tatara-ended (\d{1,3}) (0{0,2})(\d*)\n$/;

/** The gate's last word; undefined for anything else. */
export function gateWordIn(text: string): GateWord | undefined {
  const [, code, zeros, peak] = WORD.exec(text) ?? [];
  if (code === undefined) return undefined;
  return {
    code: Number(code),
    memoryPeakBytes: peak ? Number(peak) : null,
    isKilledForMemory: zeros ? zeros === "00" : null,
  };
}

/** What opens the gate, with the secrets that the command may read. */
export function gateLines(secrets: readonly SecretFile[] = []): string {
  return `${secrets.map(secretLines).join("")}\n`;
}

function secretLines({ name, value, isEnv = false }: SecretFile): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new Error(`No name of a secret: ${name}`);
  return `${name} ${isEnv ? 1 : 0} ${value.split("\n").length}\n${value}\n`;
}
