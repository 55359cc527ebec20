import { UserFault } from "../../src/domain/faults.ts";
import { formatNevra } from "../../src/domain/nevra.ts";
import type { BuiltPackage } from "../../src/shared/package-messages.ts";
import type { Problem } from "../../src/yum/resolve/resolver.ts";
import type { RpmPackage } from "../../src/yum/rpm/rpm-package.ts";
import type { ChannelFacts } from "./channel-facts.ts";
import { refusedFor } from "./check-identities.ts";
import type { PublishDeps } from "./publish-context.ts";

export interface AddedTo {
  readonly rpm: RpmPackage;
  /** Its final digest is not known yet, and does not matter here. */
  readonly file: BuiltPackage;
  readonly targets: readonly string[];
}

type Deps = Pick<PublishDeps, "engine" | "resolver" | "bases">;

/**
 * Would each channel still resolve with these packages? Throws `REQUIRES_UNSATISFIED` or
 * `FILE_CONFLICT` where the channel's settings refuse that; what they ignore is answered as warnings.
 * Looked at in the targets that the build was made for: what else lists a package without an
 * architecture was made by somebody else.
 */
export async function checkResolves(
  added: readonly AddedTo[],
  channels: readonly ChannelFacts[],
  deps: Deps,
): Promise<readonly string[]> {
  const targets = new Set(added.map(({ file }) => file.target));
  const checks = channels.flatMap((channel) =>
    [...targets].map((target) => checkTarget(added, { channel, target }, deps)),
  );
  const found = (await Promise.all(checks)).flat();
  const refused = found.filter(({ isRefused }) => isRefused);
  if (refused.length > 0) throw faultOf(refused);
  return [...new Set(found.map(({ message }) => message))];
}

interface Found extends Omit<Problem, "nevra"> {
  readonly isRefused: boolean;
}

async function checkTarget(
  added: readonly AddedTo[],
  { channel, target }: { readonly channel: ChannelFacts; readonly target: string },
  { engine, resolver, bases }: Deps,
): Promise<readonly Found[]> {
  const { requires, fileConflicts } = channel.settings;
  if (requires === "ignore" && fileConflicts === "ignore") return [];
  const here = added.filter(({ targets }) => targets.includes(target));
  const state = await engine.state(channel.name, channel.head, target);
  const { base, warnings } = await bases.of(target);
  const problems = await resolver.check({
    target,
    state,
    add: here.map(({ rpm, file: { sha256, fileName, sizeBytes } }) => ({
      listed: { nevra: formatNevra(rpm.nevra), sha256, fileName, sizeBytes },
      rpm,
    })),
    remove: [],
    base,
  });
  const found = problems.map(({ code, hint, message }) => {
    const setting = code === "FILE_CONFLICT" ? fileConflicts : requires;
    const place = `${channel.name}, ${target}`;
    return { code, hint, message: `${place}: ${message}`, isRefused: setting === "refuse" };
  });
  const told = warnings.map((message) => {
    return { code: "REQUIRES_UNSATISFIED" as const, hint: "", message, isRefused: false };
  });
  return [...told, ...found];
}

/** What is said of several channels or targets is worth one line. */
function faultOf(refused: readonly Found[]): UserFault {
  return refusedFor(refused.map(({ code, message, hint }) => ({ code, message, hint })));
}
