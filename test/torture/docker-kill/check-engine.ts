import { setTimeout as delay } from "node:timers/promises";
import { realEngine } from "../../support/engine-rig.ts";
import { withoutKept } from "../../support/kept-names.ts";
import type { PrivateEngine } from "../../support/private-engine.ts";
import { openRecords } from "../records.ts";
import type { Scene } from "../under-load.ts";
import type { Violation } from "../invariants/violation.ts";

/** What the engine's end left must be gone a minute after it came back. */
const GRACE_MS = 75_000;
const LOOK_EVERY_MS = 500;
const MONTH_MS = 30 * 24 * 3_600_000;
/** What a killed container exits with: never its command's own verdict. */
const KILLED = new Set([137, 143]);

/** Nothing is left on the engine, with or without our labels; no verdict came from a kill. */
export async function checkEngine(
  { tatara }: Scene,
  engine: PrivateEngine,
): Promise<readonly Violation[]> {
  const left = await leftAfterGrace(engine);
  const lasting = await imagesWithoutEnd(engine);
  return [
    ...left.map((what): Violation => ({ figure: "orphans", what })),
    ...lasting.map((what): Violation => ({ figure: "orphans", what })),
    ...killsTakenForVerdicts(tatara.dataDir),
  ];
}

async function leftAfterGrace(engine: PrivateEngine): Promise<readonly string[]> {
  const endAt = performance.now() + GRACE_MS;
  for (;;) {
    const left = withoutKept(await engine.everything());
    if (left.length === 0) return [];
    if (performance.now() > endAt)
      return await Promise.all(left.map((one) => described(engine, one)));
    await delay(LOOK_EVERY_MS);
  }
}

/** With all that the engine knows of it: what it is of is found out from that. */
async function described({ docker }: PrivateEngine, what: string): Promise<string> {
  const [kind, id = ""] = what.split(" ");
  const facts = async (): Promise<unknown> => {
    if (kind === "volume") return await docker.getVolume(id).inspect();
    if (kind === "network") return await docker.getNetwork(id).inspect();
    const name = id.replace(/^\//, "");
    const { Name, Created, State, Config, HostConfig, Mounts } = await docker
      .getContainer(name)
      .inspect();
    const { Labels, Cmd, Image } = Config;
    const { CgroupParent } = HostConfig;
    return { Name, Created, State, Labels, Cmd, Image, CgroupParent, Mounts };
  };
  return `${what} ${JSON.stringify(await facts().catch((err: unknown) => String(err)))}`;
}

/** Images that nobody would ever remove: with neither a name nor a label of ours. */
async function imagesWithoutEnd(engine: PrivateEngine): Promise<readonly string[]> {
  const { socketPath, docker } = engine;
  const later = realEngine({ socketPath, now: () => Date.now() + MONTH_MS });
  const found = await later.listLeftovers(AbortSignal.timeout(60_000));
  const ours = new Set(found.flatMap(({ kind, id }) => (kind === "image" ? [id] : [])));
  const dangling = await docker.listImages({ filters: { dangling: ["true"] } });
  return dangling
    .filter(({ Id }) => !ours.has(Id))
    .map(
      ({ Id, Created }) => `image ${Id.slice(0, 19)} of ${new Date(Created * 1000).toISOString()}`,
    );
}

function killsTakenForVerdicts(dataDir: string): readonly Violation[] {
  using records = openRecords(dataDir);
  return records
    .all("steps")
    .filter(({ state, detailsJson }) => state === "failed" && KILLED.has(exitCodeIn(detailsJson)))
    .map(({ jobId, attempt, name }) => ({
      figure: "broken",
      what: `step ${name} of ${jobId}-${attempt} failed as it was killed`,
    }));
}

function exitCodeIn(detailsJson: string | null): number {
  const { exitCode } = JSON.parse(detailsJson ?? "{}") as { readonly exitCode?: number | null };
  return exitCode ?? 0;
}
