import type { DockerDeps, EngineAddress } from "./client.ts";
import type { BuildImageOptions } from "../engine.ts";

/** Limits of each `RUN` line; the classic builder knows no others. */
export interface BuildLimits {
  readonly memoryBytes: number;
  readonly cpus: number;
}

export interface BuildDeps extends DockerDeps {
  readonly address: EngineAddress;
  readonly buildLimits: BuildLimits;
  readonly now: () => number;
  /** When each build of now began: their containers have no labels, and are no leftovers yet. */
  readonly buildStarts: Set<{ readonly at: number }>;
  /** Layers (short id → name) that the engine went away from before they could be named. */
  readonly unnamedLayers: Map<string, string>;
  /** Containers (short id) of builds that broke off: what the engine made of one of them is ours. */
  readonly brokenContainers: Set<string>;
  /** BuildKit builds of now: they share one limit on the engine. */
  readonly sharedBuilds: Set<object>;
}

export interface PlannedBuild extends BuildImageOptions {
  /** The Dockerfile, where it could be read in time. */
  readonly text: string | undefined;
}
