import type { UserFaultCode } from "./faults.ts";
import { formatNevra, type Nevra } from "./nevra.ts";
import { repoMatcher } from "./repo-patterns.ts";
import { isReservedName } from "./reserved-names.ts";
import { compareEvr, type Evr } from "./rpm-version.ts";

/** A package that a repo's build wants to publish. Names of capabilities are without versions. */
export interface CheckedPackage {
  readonly nevra: Nevra;
  readonly target: string;
  readonly provides: readonly string[];
  readonly obsoletes: readonly string[];
  readonly conflicts: readonly string[];
}

/** What of one name and architecture hosts get now. */
export interface NewestListed extends Evr {
  /** Empty for an imported package. */
  readonly repo: string;
  /** Null for an imported package. */
  readonly buildNumber: number | null;
}

export interface CheckedChannel {
  readonly name: string;
  readonly olderVersions: "refuse" | "allow";
  /** Patterns of the repos that may publish to it. */
  readonly repos: readonly string[];
  newest(checked: CheckedPackage): NewestListed | undefined;
}

export const PUBLISH_RULES = ["name", "provides", "obsoletes", "older", "epoch"] as const;
export type PublishRule = (typeof PUBLISH_RULES)[number];

/** Who publishes where, and what the records say about it. */
export interface PublishFacts {
  readonly repo: string;
  readonly buildNumber: number;
  readonly channels: readonly CheckedChannel[];
  /** Name → the repo that owns it. */
  readonly owners: ReadonlyMap<string, string>;
  /** Has an admin lifted the rule for this repo and subject? */
  isAllowed(rule: PublishRule, subject: string): boolean;
}

export interface Refused {
  readonly code: UserFaultCode;
  readonly message: string;
  readonly hint: string;
}

export interface Judgement {
  /** All of them, each once. */
  readonly refusals: readonly Refused[];
  readonly warnings: readonly string[];
}

/** Applies the rules that need no other facts than names, versions and who published what. */
export function judgePackages(packages: readonly CheckedPackage[], facts: PublishFacts): Judgement {
  const found = [
    ...facts.channels.map((channel) => judgeRepo(channel, facts)),
    ...packages.flatMap((checked) => [
      judgeName(checked, facts),
      ...judgeCapabilities(checked, facts),
      ...facts.channels.map((channel) => judgeVersion(checked, channel, facts)),
    ]),
  ];
  const refusals = new Map<string, Refused>();
  const warnings = new Set<string>();
  for (const each of found) {
    if (typeof each === "string") warnings.add(each);
    // The same name of several architectures is one mistake.
    else if (each !== undefined) refusals.set(`${each.code} ${each.message}`, each);
  }
  return { refusals: [...refusals.values()], warnings: [...warnings] };
}

type Finding = Refused | string | undefined;

function judgeRepo({ name, repos }: CheckedChannel, { repo }: PublishFacts): Finding {
  if (repoMatcher(repos)(repo)) return undefined;
  return {
    code: "CHANNEL_FORBIDDEN",
    message: `${repo} may not publish to channel ${name}.`,
    hint: `Name another channel after "publish:" in .tatara.yml, or ask an admin to add the repo to the settings of ${name}.`,
  };
}

function judgeName({ nevra: { name } }: CheckedPackage, facts: PublishFacts): Finding {
  const owner = facts.owners.get(name);
  if (owner === facts.repo || facts.isAllowed("name", name)) return undefined;
  if (owner !== undefined) {
    return {
      code: "PACKAGE_NAME_TAKEN",
      message: `The package name ${name} belongs to ${owner}.`,
      hint: `Choose another name, or ask an admin to transfer it or to allow it: ${allowance(facts, "name", name)}.`,
    };
  }
  if (!isReservedName(name)) return undefined;
  return {
    code: "PACKAGE_NAME_RESERVED",
    message: `The package name ${name} is reserved: hosts stand on it.`,
    hint: `Choose another name, for example with a prefix of your own, or ask an admin to allow it: ${allowance(facts, "name", name)}.`,
  };
}

function judgeCapabilities(checked: CheckedPackage, facts: PublishFacts): readonly Finding[] {
  const { name } = checked.nevra;
  const foreign = (capability: string): string | undefined => {
    const subject = packageNameOf(capability);
    if (subject === name) return undefined;
    const owner = facts.owners.get(subject);
    if (owner === facts.repo) return undefined;
    if (owner !== undefined) return `which belongs to ${owner}`;
    return isReservedName(subject) ? "a reserved name" : undefined;
  };
  const judge = (rule: "provides" | "obsoletes", capability: string): Finding => {
    const why = foreign(capability);
    const subject = packageNameOf(capability);
    if (why === undefined || facts.isAllowed(rule, subject)) return undefined;
    const isProvides = rule === "provides";
    return {
      code: isProvides ? "PROVIDES_FOREIGN" : "OBSOLETES_FOREIGN",
      message: `${name} ${rule} ${capability}, ${why}.`,
      hint: `dnf would install ${name} ${isProvides ? "for" : "in place of"} ${subject}. Remove the ${isProvides ? "Provides" : "Obsoletes"} from the spec file, or ask an admin to allow it: ${allowance(facts, rule, subject)}.`,
    };
  };
  return [
    ...checked.provides.map((capability) => judge("provides", capability)),
    ...checked.obsoletes.map((capability) => judge("obsoletes", capability)),
    ...checked.conflicts
      .filter((capability) => foreign(capability) !== undefined)
      .map(
        (capability) =>
          `${name} conflicts with ${capability}, ${foreign(capability) ?? ""}: no host can have both.`,
      ),
  ];
}

/** `glibc(x86-64)` is the package `glibc` of one architecture. */
export function packageNameOf(capability: string): string {
  return capability.replace(/\((?:x86|aarch|ppc|s390|riscv|armv\d\w*|mips\w*)-(?:32|64)\)$/, "");
}

function judgeVersion(
  checked: CheckedPackage,
  channel: CheckedChannel,
  facts: PublishFacts,
): Finding {
  const { nevra } = checked;
  const newest = channel.newest(checked);
  if (newest === undefined) return undefined;
  if (nevra.epoch > newest.epoch) {
    return facts.isAllowed("epoch", nevra.name) ? undefined : epochJump(nevra, newest, facts);
  }
  if (compareEvr(nevra, newest) >= 0) return undefined;
  const isFaster = newest.repo === facts.repo && (newest.buildNumber ?? 0) > facts.buildNumber;
  const lower = `${formatNevra(nevra)} is lower than ${evrText(newest)}, which channel ${channel.name} has for ${checked.target}`;
  if (isFaster) {
    return `${lower}: build #${newest.buildNumber ?? 0}, of a newer push, was faster. Hosts keep the newer one.`;
  }
  if (channel.olderVersions === "allow" || facts.isAllowed("older", nevra.name)) return undefined;
  return {
    code: "VERSION_LOWER",
    message: `${lower}.`,
    hint: `No host would install it. Raise Version or Release in the spec file; to go back to an older version, undo or yank the newer one. An admin can allow it: ${allowance(facts, "older", nevra.name)}, or the channel's setting olderVersions.`,
  };
}

function epochJump(nevra: Nevra, newest: NewestListed, facts: PublishFacts): Refused {
  return {
    code: "EPOCH_JUMP",
    message: `${formatNevra(nevra)} raises the epoch from ${newest.epoch} to ${nevra.epoch}.`,
    hint: `An epoch outweighs every version and can never be taken back. If it must be, ask an admin to allow it: ${allowance(facts, "epoch", nevra.name)}. Else remove Epoch from the spec file.`,
  };
}

function evrText({ epoch, version, release }: Evr): string {
  return `${epoch === 0 ? "" : `${epoch}:`}${version}-${release}`;
}

function allowance({ repo }: PublishFacts, rule: PublishRule, subject: string): string {
  return `rule "${rule}", package "${subject}", repo ${repo}`;
}
