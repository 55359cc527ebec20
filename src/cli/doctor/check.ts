export const GROUPS = ["Machine", "Workers", "Server", "Packages"] as const;
export type Group = (typeof GROUPS)[number];

/** One thing that was looked at. What depends on a failed check is left out, not failed again. */
export interface Check {
  readonly group: Group;
  readonly name: string;
  readonly verdict: "ok" | "warn" | "FAIL";
  /** What was seen. */
  readonly evidence: string;
  /** A command that mends it, as it is typed; or what to change. */
  readonly fix?: string;
}

/** Makes the checks of one group. */
export function checksOf(group: Group) {
  return {
    ok: (name: string, evidence: string): Check => ({ group, name, verdict: "ok", evidence }),
    warn: (name: string, evidence: string, fix?: string): Check => ({
      group,
      name,
      verdict: "warn",
      evidence,
      ...(fix === undefined ? {} : { fix }),
    }),
    fail: (name: string, evidence: string, fix: string): Check => ({
      group,
      name,
      verdict: "FAIL",
      evidence,
      fix,
    }),
  };
}
