import { UserFault } from "../../src/domain/faults.ts";
import { formatNevra } from "../../src/domain/nevra.ts";
import type { Nevra } from "../../src/domain/nevra.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import { publishCheckAnswer } from "../../src/shared/publish-messages.ts";
import type { PublishCheckAnswer, PublishCheckRequest } from "../../src/shared/publish-messages.ts";
import type { Refusal } from "../../src/shared/message-parts.ts";
import type { Relation, RpmPackage } from "../../src/yum/rpm/rpm-package.ts";
import type { Publish } from "./publish-context.ts";

/** What the server must know to say whether a package may be published. */
export type Identity = PublishCheckRequest["packages"][number];

export interface Checked {
  /** The sha256 under which a content was published already, by its sha256 before signing. */
  readonly published: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

const NAMES_MAX = 10_000;
const RAISE_RELEASE = "Raise the release in the spec file; a published package never changes.";
const HINT_MAX = 2_000;

export function identityOf(
  rpm: Pick<RpmPackage, "nevra" | "relations">,
  unsignedSha256: string,
  target: string,
): Identity {
  const namesOf = (relations: readonly Relation[]): string[] => {
    const names = new Set(relations.map(({ name }) => name));
    return [...names].filter((name) => isForeign(name, rpm.nevra)).slice(0, NAMES_MAX);
  };
  const { provides, obsoletes, conflicts } = rpm.relations;
  return {
    nevra: rpm.nevra,
    unsignedSha256,
    target,
    provides: namesOf(provides),
    obsoletes: namesOf(obsoletes),
    conflicts: namesOf(conflicts),
  };
}

/** Neither the package's own name, in whatever form, nor a file, nor a library's soname. */
function isForeign(capability: string, { name }: Nevra): boolean {
  const own = [name, `config(${name})`];
  if (own.includes(capability) || capability.startsWith(`${name}(`)) return false;
  return !capability.startsWith("/") && !/\.so(?:[.(]|$)/.test(capability);
}

/**
 * A NEVRA is immutable, names have owners, versions go up: the server knows. Throws a `UserFault`
 * with everything that it refuses.
 */
export async function checkIdentities(
  identities: readonly Identity[],
  { server, grant }: Pick<Publish, "server" | "grant">,
  signal: AbortSignal,
): Promise<Checked> {
  refuseTwins(identities);
  const call = {
    path: PATHS.publishCheck(grant.publishId),
    leaseToken: grant.lease.token,
    json: { packages: identities },
    answer: publishCheckAnswer,
  };
  const { packages, refusals, warnings } = await server.send(call, signal);
  const verdicts = new Map(packages.map((each) => [each.unsignedSha256, each]));
  const taken = identities.flatMap((each) => takenBy(each, verdicts.get(each.unsignedSha256)));
  if (taken.length + refusals.length > 0) throw refusedFor([...taken, ...refusals]);
  return {
    published: new Map(
      packages.flatMap(({ unsignedSha256, signedSha256 }): [string, string][] =>
        signedSha256 === null ? [] : [[unsignedSha256, signedSha256]],
      ),
    ),
    warnings,
  };
}

type Verdict = PublishCheckAnswer["packages"][number];

function takenBy({ nevra }: Identity, verdict: Verdict | undefined): readonly Refusal[] {
  if (verdict?.verdict !== "taken") return [];
  const by = verdict.takenBy ?? "another build";
  const message = `${formatNevra(nevra)} was published by ${by} with other content.`;
  return [{ code: "NEVRA_TAKEN", message, hint: RAISE_RELEASE }];
}

/** One fault for all of them: the first one's code, everybody's message, and each hint once. */
export function refusedFor(refusals: readonly Refusal[]): UserFault {
  const messages = new Set(refusals.map(({ message }) => message.replaceAll("\n", " ")));
  const hints = new Set(refusals.map(({ hint }) => hint).filter((hint) => hint !== ""));
  return new UserFault(refusals[0]?.code ?? "PACKAGE_INVALID", [...messages].join("\n"), {
    hint: [...hints].join("\n").slice(0, HINT_MAX),
  });
}

/** One publish must not bring the same identity with two contents either. */
export function refuseTwins(
  identities: readonly Pick<Identity, "nevra" | "unsignedSha256">[],
): void {
  const seen = new Map<string, string>();
  for (const { nevra, unsignedSha256 } of identities) {
    const name = formatNevra(nevra);
    if ((seen.get(name) ?? unsignedSha256) !== unsignedSha256) {
      const message = `This build made ${name} twice, with different content.`;
      throw new UserFault("NEVRA_TAKEN", message, { hint: RAISE_RELEASE });
    }
    seen.set(name, unsignedSha256);
  }
}
