import type { GrantedChannel } from "../../src/shared/publish-grants.ts";
import type { PublishDeps } from "./publish-context.ts";

/** A channel that a publish is going to change, as it is now. */
export interface ChannelFacts extends GrantedChannel {
  /** Without layers. */
  readonly targets: readonly string[];
  /** Ids of the advisories about what it lists. */
  readonly advisories: readonly string[];
}

/** Whatever comes between now and the publish's turn is seen there. */
export async function readChannels(
  granted: readonly GrantedChannel[],
  { heads, engine }: Pick<PublishDeps, "heads" | "engine">,
): Promise<readonly ChannelFacts[]> {
  const reading = granted.map(async (channel): Promise<ChannelFacts> => {
    const head = heads.of(channel.name, channel.head);
    const targets = await heads.targets(channel.name, head);
    const states = targets.map((target) => engine.state(channel.name, head, target));
    const advisories = (await Promise.all(states)).flatMap((state) => state?.advisories ?? []);
    return { ...channel, head, targets, advisories };
  });
  return await Promise.all(reading);
}
