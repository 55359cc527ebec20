import { speaksOfDisk } from "../../../src/shared/disk-errors.ts";

/** Why git could not fetch, read from what it said. */
export type FetchProblem =
  | "auth"
  | "missing"
  | "network"
  | "protocol"
  | "ref-missing"
  | "commit-missing"
  | "other";

// In order: the first that applies. Git has no codes, so its words (in English, `LC_ALL=C`) decide.
const SIGNS: readonly (readonly [RegExp, FetchProblem])[] = [
  [/transport '[^']*' not allowed/, "protocol"],
  [/couldn't find remote ref/, "ref-missing"],
  [
    /not our ref|unadvertised object|no such remote ref|Server does not allow request/,
    "commit-missing",
  ],
  [
    /error: 40[13]\b|Authentication failed|could not read (Username|Password)|Permission denied/i,
    "auth",
  ],
  [/error: 404\b|[Rr]epository .*not found|does not appear to be a git repository/, "missing"],
  [
    /Could not resolve|[Cc]onnection|timed? ?out|unable to access|early EOF|hung up|RPC failed|disconnect/,
    "network",
  ],
];

export function fetchProblem(stderr: string): FetchProblem {
  return SIGNS.find(([sign]) => sign.test(stderr))?.[1] ?? "other";
}

/** Of a ref that could not be written or given its name, git leaves the reason out. */
const REF_REFUSED = /^error: .*couldn't (?:set|write) '/m;

/** Was it the disk that we fetch into? The same words behind `remote:` speak of another's. */
export function refusedByDisk(stderr: string): boolean {
  return speaksOfDisk(stderr) || REF_REFUSED.test(stderr);
}
