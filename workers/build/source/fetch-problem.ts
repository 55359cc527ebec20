import { InfraFault } from "../../../src/domain/faults.ts";
import { speaksOfDisk } from "../../../src/shared/disk-errors.ts";
import { GitFailed } from "./git.ts";

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

const FETCH_MESSAGES = {
  auth: "The forge refused the clone credential (401 or 403)",
  missing: "The forge has no such repo, or the credential may not see it (404)",
  network: "The git host cannot be reached",
  protocol: "The address of the repo is of a kind that is not allowed",
  other: "The commit could not be fetched",
} as const;

/** What git said as a fault of ours; what is no word of git stays as it is. */
export function fetchFault(err: unknown, { url }: { readonly url: string }): unknown {
  if (!(err instanceof GitFailed)) return err;
  const problem = fetchProblem(err.stderr);
  const known = problem === "ref-missing" || problem === "commit-missing" ? "other" : problem;
  const said = err.stderr.trim().split("\n").slice(-3).join(" ").slice(0, 500);
  if (refusedByDisk(err.stderr)) {
    return new InfraFault("DISK_FULL", `The worker's disk refused the commit: ${said}`, {
      cause: err,
    });
  }
  const message = `${FETCH_MESSAGES[known]}: ${url}: ${said}`;
  return new InfraFault("CANNOT_FETCH", message, { cause: err });
}
