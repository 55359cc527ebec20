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
/** What the server takes in one message, with room to spare. */
const MESSAGE_BYTES_MAX = 4 * 2 ** 20;
const MESSAGE_PACKAGES_MAX = 500;

/** Throws a `UserFault` for more names than the server can be asked about: none may be left out. */
export function identityOf(
  rpm: Pick<RpmPackage, "nevra"> & {
    readonly relations: Pick<RpmPackage["relations"], "provides" | "obsoletes" | "conflicts">;
  },
  unsignedSha256: string,
  target: string,
): Identity {
  const namesOf = (relations: readonly Relation[]): string[] => {
    const names = new Set(relations.map(({ name }) => name));
    return [...names].filter((name) => isForeign(name, rpm.nevra));
  };
  const { provides, obsoletes, conflicts } = rpm.relations;
  const names = {
    provides: namesOf(provides),
    obsoletes: namesOf(obsoletes),
    conflicts: namesOf(conflicts),
  };
  const identity = { nevra: rpm.nevra, unsignedSha256, target, ...names };
  const isTooMany = Object.values(names).some(({ length }) => length > NAMES_MAX);
  if (!isTooMany && bytesOf(identity) <= MESSAGE_BYTES_MAX) return identity;
  const message = `${formatNevra(rpm.nevra)} provides, obsoletes or conflicts with too many names.`;
  throw new UserFault("PACKAGE_INVALID", message, {
    hint: `${NAMES_MAX} names of each kind are allowed, and ${MESSAGE_BYTES_MAX} bytes for all.`,
  });
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
  const published = new Map<string, string>();
  const refusals: Refusal[] = [];
  const warnings: string[] = [];
  for (const packages of messagesOf(identities)) {
    const answer = await server.send(
      {
        path: PATHS.publishCheck(grant.publishId),
        leaseToken: grant.lease.token,
        json: { packages },
        answer: publishCheckAnswer,
      },
      signal,
    );
    const verdicts = new Map(answer.packages.map((each) => [each.unsignedSha256, each]));
    refusals.push(
      ...packages.flatMap((each) => takenBy(each, verdicts.get(each.unsignedSha256))),
      ...answer.refusals,
    );
    warnings.push(...answer.warnings);
    for (const { unsignedSha256, signedSha256 } of answer.packages) {
      if (signedSha256 !== null) published.set(unsignedSha256, signedSha256);
    }
  }
  if (refusals.length > 0) throw refusedFor(refusals);
  return { published, warnings };
}

/** In parts that the server takes. */
export function* messagesOf(identities: readonly Identity[]): Generator<readonly Identity[]> {
  let message: Identity[] = [];
  let bytes = 0;
  for (const identity of identities) {
    const more = bytesOf(identity);
    const isFull = message.length === MESSAGE_PACKAGES_MAX || bytes + more > MESSAGE_BYTES_MAX;
    if (isFull && message.length > 0) {
      yield message;
      message = [];
      bytes = 0;
    }
    message.push(identity);
    bytes += more;
  }
  if (message.length > 0) yield message;
}

function bytesOf(identity: Identity): number {
  return Buffer.byteLength(JSON.stringify(identity));
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

/**
 * Two targets of one build make the same source package, and often the same noarch one, with other
 * bytes: each rpm packs and writes its header its own way. The first is kept, for the targets of all.
 */
export function keepFirstTwins<
  T extends Pick<Identity, "unsignedSha256"> & {
    readonly nevra: Nevra;
    readonly madeFor: string;
    readonly targets: readonly string[];
  },
>(made: readonly T[]): readonly T[] {
  const kept = new Map<string, T>();
  const others: T[] = [];
  for (const one of made) {
    const name = formatNevra(one.nevra);
    const first = kept.get(name);
    if (first === undefined) kept.set(name, one);
    else if (!isTwin(first, one)) others.push(one);
    else kept.set(name, { ...first, targets: [...new Set([...first.targets, ...one.targets])] });
  }
  return [...kept.values(), ...others];
}

/** The same target making one name twice is a mistake, and the same bytes are no twins but one file. */
function isTwin(
  first: { readonly nevra: Nevra; readonly madeFor: string; readonly unsignedSha256: string },
  other: { readonly madeFor: string; readonly unsignedSha256: string },
): boolean {
  const isShared = ["src", "nosrc", "noarch"].includes(first.nevra.arch);
  const isSame = first.unsignedSha256 === other.unsignedSha256;
  return isShared && !isSame && first.madeFor !== other.madeFor;
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
