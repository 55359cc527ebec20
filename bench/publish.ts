import { cp, link, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { BenchOptions } from "./main.ts";
import { createrepoPeer, type CreaterepoPeer } from "./peers/createrepo.ts";
import { largeChannel, TARGET, type LargeChannel } from "./support/large-channel.ts";
import { median } from "./support/numbers.ts";

const WARM_UPS = 3;
const GZIP = ["--no-database", "--general-compress-type=gz"];

/**
 * One package onto a channel of N: from the claim of the publish to the server's "live", everything
 * included (fetched over HTTP, read, checked, signed, pooled, fsynced, indexed, signed again, verified by
 * gpg's and rpm's own programs, switched in one database transaction), beside `createrepo_c --update`,
 * which only indexes, on the same RPMs in the same run.
 */
export async function run(options: BenchOptions): Promise<object> {
  const { packages, rounds } = options;
  await using peer = await createrepoPeer();
  await using channel = await largeChannel(packages);
  const { yum } = channel;
  say(`${packages} packages imported in ${seconds(channel.importMs)} s`);
  const tree = join(yum.dir, "peer");
  await cp(channel.folder, tree, { recursive: true });
  const { ms } = await peer.run([...GZIP, tree]);
  say(`createrepo_c ${peer.version} from scratch: ${seconds(ms)} s`);

  const ours: Figures[] = [];
  const theirs: { readonly ms: number; readonly peakRssMb: number }[] = [];
  for (let round = 0; round < WARM_UPS + rounds; round += 1) {
    const path = await channel.newPackage();
    const figures = await publish(channel, path);
    const their = await updatePeer(peer, tree, path);
    if (round < WARM_UPS) continue;
    ours.push(figures);
    theirs.push(their);
    say(
      `round ${round - WARM_UPS + 1}: ours ${figures.publishMs} ms (seen live after ${Math.round(figures.seenMs)} ms), createrepo_c ${Math.round(their.ms)} ms`,
    );
  }
  const publishMs = median(ours.map((each) => each.publishMs));
  const peerMs = median(theirs.map((each) => each.ms));
  return {
    packages,
    ours: publishMs,
    peer: Math.round(peerMs),
    unit: "ms",
    ratio: Number((publishMs / peerMs).toPrecision(3)),
    timesFaster: Number((peerMs / publishMs).toFixed(1)),
    peerIs: `createrepo_c ${peer.version} ${["--update", ...GZIP].join(" ")}`,
    seenLiveMs: Math.round(median(ours.map((each) => each.seenMs))),
    rssMb: await rssOf(yum.publishPid()),
    peerRssMb: Math.max(...theirs.map((each) => each.peakRssMb)),
    importSeconds: Number(seconds(channel.importMs)),
  };
}

interface Figures {
  /** As the publish worker measures it, claim to "live". */
  readonly publishMs: number;
  /** From the end of the build to its final state, as the API shows it. */
  readonly seenMs: number;
}

async function publish({ yum }: LargeChannel, path: string): Promise<Figures> {
  const { buildId } = await yum.builds.finish({ packages: [{ path, target: TARGET }] });
  const startedAt = performance.now();
  const end = await yum.builds.final(buildId);
  const seenMs = performance.now() - startedAt;
  if (end.state !== "passed") throw new Error(`${path}: ${end.state}, ${end.failure?.title ?? ""}`);
  const build = await yum.api<{ publish: { durationMs: number } }>(`/api/builds/${buildId}`);
  // What a publish prepares for the next one is not part of it, nor may it be timed as part of that.
  await new Promise((resolve) => setTimeout(resolve, yumPauseMs));
  return { publishMs: build.publish.durationMs, seenMs };
}

const yumPauseMs = 1_000;

async function updatePeer(peer: CreaterepoPeer, tree: string, path: string) {
  await link(path, join(tree, basename(path)));
  return await peer.run(["--update", ...GZIP, tree]);
}

async function rssOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024);
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
