import { yumLayout } from "../../src/yum/layout.ts";
import { readGeneration, readSegment, readTargetState } from "../../src/yum/target-state.ts";
import type { PublishEnd } from "./publish-server.ts";

/** What was switched, and what this publish brought to it. Throws if it is not live. */
export function live(end: PublishEnd | undefined) {
  if (end?.kind !== "live") throw new Error(`The publish is not live: ${JSON.stringify(end)}`);
  return { generations: end.request.generations, ...end.publish };
}

/** `debian12.x86_64/hello-1.0-1.noarch` for all that a generation lists. */
export async function listed(
  rig: { readonly yumDir: string },
  channel: string,
  number: number,
): Promise<string[]> {
  const layout = yumLayout(rig.yumDir);
  const { targets } = await readGeneration(layout, channel, number);
  const names = Object.entries(targets).map(async ([target, made]) => {
    const { segments, tail } = await readTargetState(layout, { channel, number: made, target });
    const sealed = await Promise.all(segments.map(({ id }) => readSegment(layout, id)));
    const packages = [...sealed.flatMap((segment) => segment.packages), ...tail];
    return packages.map(({ nevra }) => `${target}/${nevra}`);
  });
  return (await Promise.all(names)).flat();
}
