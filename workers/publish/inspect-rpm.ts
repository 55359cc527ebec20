import { isTargetName } from "../../src/domain/channel.ts";
import { UserFault } from "../../src/domain/faults.ts";
import { rpmFileName } from "../../src/domain/nevra.ts";
import type { Nevra } from "../../src/domain/nevra.ts";
import { checkDigests } from "../../src/yum/rpm/check-digests.ts";
import { fragmentsOf } from "../../src/yum/rpm/fragments.ts";
import { readRpm, RpmRefused } from "../../src/yum/rpm/read-rpm.ts";
import type { RpmPackage } from "../../src/yum/rpm/rpm-package.ts";
import type { FetchedPackage } from "./fetch-packages.ts";

/** An unsigned RPM that is what it claims to be. */
export interface InspectedPackage extends FetchedPackage {
  readonly rpm: RpmPackage;
}

interface Problem {
  readonly code: "PACKAGE_INVALID" | "PACKAGE_SIGNED";
  readonly message: string;
}

const INVALID_HINT =
  "Look at what the package step wrote; Tatara publishes RPMs as rpmbuild makes them.";
const SIGNED_HINT = "Leave out rpmsign: Tatara signs with the key that your hosts know.";
const INSPECTIONS_MAX = 8;

/** Reads the headers, checks every digest, and refuses what is wrong; all refusals at once. */
export async function inspectPackages(
  packages: readonly FetchedPackage[],
  signal: AbortSignal,
): Promise<readonly InspectedPackage[]> {
  const found: (InspectedPackage | Problem)[] = [];
  const waiting = packages.entries();
  const lane = async (): Promise<void> => {
    for (const [i, fetched] of waiting) {
      signal.throwIfAborted();
      found[i] = await inspect(fetched);
    }
  };
  await Promise.all(Array.from({ length: INSPECTIONS_MAX }, lane));
  const problems = found.filter((each) => "code" in each);
  if (problems.length > 0) throw faultOf(problems);
  return found.filter((each) => "rpm" in each);
}

function faultOf(problems: readonly Problem[]): UserFault {
  const lines = problems.map(({ message }) => message).join("\n");
  const areSigned = problems.every(({ code }) => code === "PACKAGE_SIGNED");
  return areSigned
    ? new UserFault("PACKAGE_SIGNED", lines, { hint: SIGNED_HINT })
    : new UserFault("PACKAGE_INVALID", lines, { hint: INVALID_HINT });
}

async function inspect(fetched: FetchedPackage): Promise<InspectedPackage | Problem> {
  const { built, path } = fetched;
  const problem = (message: string, code: Problem["code"] = "PACKAGE_INVALID"): Problem => ({
    code,
    message: `${built.fileName}: ${message}`,
  });
  if (!isTargetName(built.target)) return problem(`There is no target "${built.target}".`);
  try {
    const rpm = await readIntact(path);
    // Whoever signs answers for the content; two signers would leave that open.
    if (rpm.signatures.length > 0) {
      return problem("It is signed already, and Tatara signs packages itself.", "PACKAGE_SIGNED");
    }
    const why = findMismatch(built, rpm.nevra);
    if (why !== undefined) return problem(why);
    checkWritable(rpm, built);
    return { ...fetched, rpm };
  } catch (err) {
    if (err instanceof RpmRefused) return problem(err.message);
    throw err;
  }
}

/** A damaged file is called damaged, whatever its header seems to say. */
async function readIntact(path: string): Promise<RpmPackage> {
  const [checked, read] = await Promise.allSettled([checkDigests(path), readRpm(path)]);
  if (checked.status === "rejected") throw checked.reason;
  if (read.status === "rejected") throw read.reason;
  return read.value;
}

function findMismatch(
  { fileName, target }: FetchedPackage["built"],
  nevra: Nevra,
): string | undefined {
  const name = rpmFileName(nevra);
  if (name !== fileName) return `Its header says that it is ${name.slice(0, 300)}.`;
  const wanted = target.split(".")[1] ?? "";
  if ([wanted, "noarch", "src", "nosrc"].includes(nevra.arch)) return undefined;
  return `It is for ${nevra.arch}, the target ${target} is not.`;
}

/**
 * Throws `RpmRefused` for what the metadata cannot say, since a client would refuse the whole channel,
 * and for what only looks like another package: `a` in version `1-2` has the NEVRA of `a-1` in `2`.
 */
export function checkWritable(
  rpm: RpmPackage,
  { sha256, sizeBytes, fileName }: { sha256: string; sizeBytes: number; fileName: string },
): void {
  const { version, release } = rpm.nevra;
  if (`${version}${release}`.includes("-")) {
    throw new RpmRefused("MALFORMED", "Its version or release has a hyphen, which rpm forbids.");
  }
  fragmentsOf(rpm, { sha256, sizeBytes, fileName, mtimeSeconds: rpm.buildTime });
}
