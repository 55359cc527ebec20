import { DEFAULT_RESOURCES } from "../../src/domain/pipeline.ts";
import type { Runs } from "../../src/domain/pipeline.ts";
import type { ContainerLimits } from "./engine.ts";

const DEFAULTS = {
  "resources.cpus": DEFAULT_RESOURCES.cpus,
  "resources.memory": DEFAULT_RESOURCES.memoryBytes,
  "resources.pids": DEFAULT_RESOURCES.pids,
  "resources.disk": DEFAULT_RESOURCES.diskBytes,
  timeout: 60 * 60_000,
  "idle-timeout": 30 * 60_000,
} as const;
type LimitKey = keyof typeof DEFAULTS;

export interface BoundedLimits {
  readonly limits: ContainerLimits;
  /** What the file asks for and this worker does not give. */
  readonly warnings: readonly string[];
}

/** What a step may use: what its file says, up to what the operator of this worker allows. */
export function boundLimits(
  { resources, timeoutMs, idleTimeoutMs }: Pick<Runs, "resources" | "timeoutMs" | "idleTimeoutMs">,
  most: ContainerLimits,
): BoundedLimits {
  const warnings: string[] = [];
  const upTo = (key: LimitKey, wanted: number, limit: number): number => {
    if (wanted <= limit) return wanted;
    // Nobody asked for the default, so nobody is told that there is less.
    if (wanted !== DEFAULTS[key]) {
      warnings.push(`${key} is more than this worker allows: ${shown(key, limit)} is used.`);
    }
    return limit;
  };
  const limits = {
    memoryBytes: upTo("resources.memory", resources.memoryBytes, most.memoryBytes),
    cpus: upTo("resources.cpus", resources.cpus, most.cpus),
    pids: upTo("resources.pids", resources.pids, most.pids),
    diskBytes: upTo("resources.disk", resources.diskBytes, most.diskBytes || Infinity),
    timeoutMs: upTo("timeout", timeoutMs, most.timeoutMs),
    idleTimeoutMs: upTo("idle-timeout", idleTimeoutMs, most.idleTimeoutMs),
  };
  return { limits, warnings };
}

function shown(key: LimitKey, limit: number): string {
  if (key.endsWith("timeout")) return inMinutes(limit);
  return key === "resources.memory" || key === "resources.disk" ? inBytes(limit) : String(limit);
}

export function inBytes(bytes: number): string {
  return bytes % 2 ** 30 === 0 ? `${bytes / 2 ** 30} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

export function inMinutes(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}
