import { fork } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DEFAULT_CHANNEL_SETTINGS } from "../src/shared/channel-settings.ts";
import { yumLayout } from "../src/yum/layout.ts";
import type { ListedPackage } from "../src/yum/target-state.ts";
import { makeSeeds, writeManyRpms } from "../test/support/many-rpms.ts";
import { silentLogger } from "../test/support/silent-logger.ts";
import { openEngine } from "../workers/publish/engine/engine.ts";
import type { Engine, StagedGeneration } from "../workers/publish/engine/engine.ts";
import { openSigner } from "../workers/publish/sign.ts";

/**
 * Milliseconds to stage one more package on a target of N: everything written, fsynced, signed and
 * verified. `node bench/engine-assembly.ts 1000 10000 100000`
 */
const ROUNDS = 15;
const PAUSE_MS = 250;
const TARGET = "el9.x86_64";
const never = new AbortController().signal;

const [first, folder, part] = process.argv.slice(2);
if (first === "part" && folder !== undefined)
  await (part === "import" ? grow(folder) : part === "restart" ? restart(folder) : measure(folder));
else for (const size of process.argv.slice(2)) await run(Number(size));

/** Each part in a process of its own, so that its memory is its own. */
async function run(size: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-assembly-"));
  try {
    const into = { yumDir: join(folder, "yum") };
    const written = await writeManyRpms(await makeSeeds(), {
      into,
      count: size + 2 * ROUNDS + 1,
      workers: 4,
    });
    await writeFile(join(folder, "packages.json"), JSON.stringify({ size, written }));
    for (const part of ["import", "restart", "measure"]) {
      const child = fork(import.meta.filename, ["part", folder, part], { execArgv: [] });
      const code = await new Promise((resolve) => child.once("exit", resolve));
      if (code !== 0) throw new Error(`The part ${part} ended with ${String(code)}.`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function grow(folder: string): Promise<void> {
  const { size, written } = await readPackages(folder);
  await using context = await open(folder);
  const started = performance.now();
  const staged = await context.add(written.slice(0, size));
  const importMs = performance.now() - started;
  if (staged !== undefined) context.engine.adopted(staged);
  await context.engine.settled();
  const idleMs = performance.now() - started - importMs;
  say({ packages: size, importMs, idleMs, rssMb: rssMb() });
}

/** The first publish of a process that has had a moment before it. */
async function restart(folder: string): Promise<void> {
  const { size, written } = await readPackages(folder);
  await using context = await open(folder);
  context.head = 1;
  const started = performance.now();
  await context.engine.warm(async () => undefined);
  await context.engine.settled();
  const warmMs = performance.now() - started;
  const from = performance.now();
  await context.add(written.slice(-1));
  say({ packages: size, warmMs, firstWarmMs: performance.now() - from, rssMb: rssMb() });
}

async function measure(folder: string): Promise<void> {
  const { size, written } = await readPackages(folder);
  await using context = await open(folder);
  context.head = 1;
  const addOne = async (i: number): Promise<number> => {
    const from = performance.now();
    const staged = await context.add(written.slice(size + i, size + i + 1));
    const took = performance.now() - from;
    if (staged === undefined) throw new Error("Nothing was staged.");
    context.engine.adopted(staged);
    return took;
  };
  const firstMs = await addOne(0);
  await context.engine.settled();
  const prepared: number[] = [];
  const cpu = process.cpuUsage();
  for (let i = 1; i < ROUNDS; i += 1) {
    // As publishes come in life: the next is a moment later, with everything prepared.
    await setTimeout(PAUSE_MS);
    prepared.push(await addOne(i));
    await context.engine.settled();
  }
  const { user, system } = process.cpuUsage(cpu);
  const cpuMs = (user + system) / 1000 / (ROUNDS - 1);
  const backToBack: number[] = [];
  for (let i = ROUNDS; i < 2 * ROUNDS; i += 1) backToBack.push(await addOne(i));
  say({ packages: size, firstMs, ...spread("prepared", prepared), cpuMs, rssMb: rssMb() });
  say({ packages: size, ...spread("backToBack", backToBack) });
}

async function readPackages(folder: string) {
  const text = await readFile(join(folder, "packages.json"), "utf8");
  return JSON.parse(text) as { readonly size: number; readonly written: readonly ListedPackage[] };
}

interface Context extends AsyncDisposable {
  readonly engine: Engine;
  head: number;
  add(packages: readonly ListedPackage[]): Promise<StagedGeneration | undefined>;
}

async function open(folder: string): Promise<Context> {
  const layout = yumLayout(join(folder, "yum"));
  const keys = { keysDir: join(folder, "keys"), publicDir: layout.keys };
  const verifierDir = join(folder, `verifier-${process.pid}`);
  const signer = await openSigner({ ...keys, verifierDir, now: Date.now }, never);
  const engine = await openEngine({ layout, signer, logger: silentLogger, now: Date.now });
  let stages = 0;
  const context: Context = {
    engine,
    head: 0,
    add: async (packages) => {
      const add = packages.map((each) => ({ ...each, path: layout.package(each) }));
      const rest = { remove: new Map(), advisories: [], extras: [], rewrite: false };
      const edit = { kind: "edit" as const, add: new Map([[TARGET, add]]), ...rest };
      const stagingDir = join(layout.staging, `stage-${process.pid}-${(stages += 1)}`);
      const of = { channel: "dev", head: context.head, settings: DEFAULT_CHANNEL_SETTINGS };
      const request = {
        ...of,
        builtFor: [stagingDir],
        edit,
        stagingDir,
        storing: Promise.resolve(),
      };
      const staged = await engine.stage(request, never);
      context.head = staged?.number ?? context.head;
      return staged;
    },
    [Symbol.asyncDispose]: async () => {
      await engine.close();
      await signer.close();
    },
  };
  return context;
}

function spread(name: string, times: readonly number[]): Record<string, number> {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? 0;
  return { [`${name}Least`]: at(0), [`${name}Median`]: at(0.5), [`${name}Most`]: at(1) };
}

function say(figures: Record<string, number>): void {
  const rounded = Object.entries(figures).map(([name, value]) => [
    name,
    Math.round(value * 10) / 10,
  ]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(rounded))}\n`);
}

function rssMb(): number {
  return process.memoryUsage().rss / 2 ** 20;
}
