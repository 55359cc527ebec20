import { UserFault } from "../../src/domain/faults.ts";
import { formatNevra } from "../../src/domain/nevra.ts";
import { PATHS, publishCheckAnswer } from "../../src/shared/protocol.ts";
import type { PublishCheckAnswer } from "../../src/shared/protocol.ts";
import type { InspectedPackage } from "./inspect-rpm.ts";
import type { Publish } from "./publish-context.ts";

type Verdict = PublishCheckAnswer["packages"][number];

/** The sha256 under which a content was published already, by its sha256 before signing. */
export type Published = ReadonlyMap<string, string>;

const RAISE_RELEASE = "Raise the release in the spec file; a published package never changes.";

/** A NEVRA is immutable: the server knows which content each one has. Throws `NEVRA_TAKEN`. */
export async function checkIdentities(
  inspected: readonly InspectedPackage[],
  { server, grant }: Publish,
  signal: AbortSignal,
): Promise<Published> {
  refuseTwins(inspected);
  const json = {
    packages: inspected.map(({ nevra, built }) => ({ nevra, unsignedSha256: built.sha256 })),
  };
  const call = { path: PATHS.publishCheck(grant.publishId), leaseToken: grant.lease.token, json };
  const answer = await server.send({ ...call, answer: publishCheckAnswer }, signal);
  const verdicts = new Map(answer.packages.map((each) => [each.unsignedSha256, each]));

  const taken = inspected.flatMap((rpm) => refusalOf(rpm, verdicts.get(rpm.built.sha256)));
  if (taken.length > 0) {
    throw new UserFault("NEVRA_TAKEN", taken.join("\n"), { hint: RAISE_RELEASE });
  }
  return new Map(
    answer.packages.flatMap(({ unsignedSha256, signedSha256 }): [string, string][] =>
      signedSha256 === null ? [] : [[unsignedSha256, signedSha256]],
    ),
  );
}

function refusalOf({ nevra }: InspectedPackage, verdict: Verdict | undefined): readonly string[] {
  if (verdict?.verdict !== "taken") return [];
  const by = verdict.takenBy ?? "another build";
  return [`${formatNevra(nevra)} was published by ${by} with other content.`];
}

/** One build must not bring the same identity with two contents either. */
function refuseTwins(inspected: readonly InspectedPackage[]): void {
  const seen = new Map<string, string>();
  for (const { nevra, built } of inspected) {
    const name = formatNevra(nevra);
    if ((seen.get(name) ?? built.sha256) !== built.sha256) {
      const message = `This build made ${name} twice, with different content.`;
      throw new UserFault("NEVRA_TAKEN", message, { hint: RAISE_RELEASE });
    }
    seen.set(name, built.sha256);
  }
}
