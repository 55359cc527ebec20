import { dnfClient } from "../../support/dnf-client.ts";
import type { DnfEnd } from "../../support/dnf-client.ts";
import type { Records } from "../records.ts";
import type { Violation } from "./violation.ts";

const CHANNEL = "dev";

/** A host that subscribes: it sees what is listed, and installs the newest with both checks. */
export async function checkClient(records: Records, url: string): Promise<readonly Violation[]> {
  // Sources and debug data are targets, and .repo files, of their own.
  const listings = records
    .all("listings")
    .filter(({ channel, target }) => channel === CHANNEL && !/-(?:source|debug)$/.test(target));
  if (listings.length === 0) return [];
  await using client = await dnfClient({ repoUrl: `${url}/yum/${CHANNEL}.repo` });
  const names = new Set(records.all("packages").map(({ name }) => name));
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
