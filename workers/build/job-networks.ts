import type { NetworkClass } from "../../src/domain/pipeline.ts";
import type { Egress, NetworkHandle } from "./engine.ts";
import { begin, inLife, ownerOf } from "./job.ts";
import type { Job } from "./job.ts";

/** The networks of one attempt: one per egress class for all steps, and one per step with services. */
export interface JobNetworks {
  shared(egress: Egress): Promise<NetworkHandle | "none">;
  /** A step's own, on which its services are reached by their names. */
  own(step: string, egress: Egress): Promise<NetworkHandle>;
}

export function jobNetworks(job: Job): JobNetworks {
  const known = new Map<string, Promise<NetworkHandle>>();
  const open = (name: string, egress: Egress): Promise<NetworkHandle> => {
    const opening =
      known.get(name) ??
      begin(
        job,
        job.deps.engine.createNetwork(ownerOf(job, inLife(job, name)), { egress }, job.signal),
      );
    known.set(name, opening);
    return opening;
  };
  return {
    shared: (egress) =>
      egress === "none" ? Promise.resolve("none") : open(`NETWORK.${egress}`, egress),
    own: (step, egress) => open(`${step}.NETWORK`, egress),
  };
}

/**
 * For programs that use the proxy: the services of a step, which they reach directly by name. Where
 * there is no proxy, nobody needs to be told.
 */
export function directNames(
  network: NetworkHandle | "none",
  services: readonly string[],
): Readonly<Record<string, string>> {
  if (network === "none" || network.proxy === null || services.length === 0) return {};
  const names = ["localhost", "127.0.0.1", ...services].join(",");
  return { no_proxy: names, NO_PROXY: names };
}

/** For the log of a step that may reach mirrors only, where there are none. */
export function mirrorsMissing(network: NetworkHandle | "none"): string | undefined {
  if (network === "none" || network.egress !== "mirrors" || network.proxy !== null)
    return undefined;
  return "tatara: the network is `mirrors`, and this worker has none (TATARA_MIRROR_PROXY): nothing outside can be reached";
}

/** What a step may reach: what its file says, and from a fork's pull request at most the mirrors. */
export function egressOf({ grant }: Pick<Job, "grant">, network: NetworkClass): Egress {
  return grant.build.trust === "fork-pr" && network === "internet" ? "mirrors" : network;
}
