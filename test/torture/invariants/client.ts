import { dnfClient } from "../../support/dnf-client.ts";
import type { DnfEnd } from "../../support/dnf-client.ts";
import type { Records } from "../records.ts";
import { TARGETS } from "../sample-push.ts";
import type { Violation } from "./violation.ts";

const CHANNEL = "dev";

/** A host of each target that subscribes: it sees what is listed, and installs all with both checks. */
export async function checkClient(records: Records, url: string): Promise<readonly Violation[]> {
  const found = await Promise.all(TARGETS.map((target) => checkHost(records, url, target)));
  return found.flat();
}

async function checkHost(
  records: Records,
  url: string,
  target: string,
): Promise<readonly Violation[]> {
  const listings = records
    .all("listings")
    .filter((row) => row.channel === CHANNEL && row.target === target)
    .filter(({ untilGeneration }) => untilGeneration === null);
  if (listings.length === 0) return [];
  const repoUrl = `${url}/yum/${CHANNEL}.repo?target=${target}`;
  await using client = await dnfClient({ repoUrl });
  const names = new Set(listings.map(({ name }) => name));
  const checks = ["--setopt=tatara-*.gpgcheck=1", "--setopt=tatara-*.repo_gpgcheck=1"];
  const only = ["--disablerepo=*", `--enablerepo=tatara-${CHANNEL}`];
  const installed = await client.dnf(...only, ...checks, "--refresh", "install", ...names);
  const counted = await client.run("sh", "-c", "rpm --query --all 'tiny-*' | wc -l");
  const seen = await client
    .dnf(...only, "--quiet", "repoquery", "--qf", "%{name}-%{evr}.%{arch}")
    .then(({ output }) => new Set(output.split("\n").filter((line) => line.startsWith("tiny-"))));
  const missing = listings.filter(({ nevra }) => !seen.has(nevra));
  return [
    ...failureOf("dnf install", installed),
    ...(Number(counted.output) === names.size
      ? []
      : [failure(`${counted.output.trim()} of ${names.size} packages are installed`)]),
    ...missing.map(({ nevra }) => failure(`dnf does not see ${nevra}`)),
    ...(seen.size > listings.length ? [failure("dnf sees packages that are not listed")] : []),
  ];
}

function failureOf(what: string, { code, output }: DnfEnd): readonly Violation[] {
  return code === 0 ? [] : [failure(`${what} ended with ${code}: ${output.slice(-2_000)}`)];
}

function failure(what: string): Violation {
  return { figure: "clientFailures", what };
}
