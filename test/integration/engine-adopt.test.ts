import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { ContainerEnd } from "../../src/domain/step.ts";
import type { Engine, OutputPlace } from "../../workers/build/engine.ts";
import { headOf } from "../../workers/build/log/output-cursor.ts";
import { BASE_IMAGE, LIMITS, docker, never, openJob, realEngine } from "../support/engine-rig.ts";
import { scriptedEngine } from "../support/scripted-engine.ts";
import type { TestJob } from "../support/engine-rig.ts";

const SPEAKS = "echo one; echo two >&2; sleep 0.3; echo three";

const engines: [string, () => Engine][] = [
  [
    "the scripted engine",
    () =>
      scriptedEngine({
        unit: { output: ["one\n", "two\n", "three\n"], lastsMs: 300 },
        fails: { output: [], code: 7 },
      }),
  ],
  ["Docker", realEngine],
];

interface Seen {
  readonly end: ContainerEnd;
  readonly output: string;
  readonly last: OutputPlace | undefined;
}

async function newJob(engine: Engine): Promise<TestJob> {
  return openJob(engine, await engine.findImage(BASE_IMAGE, never));
}

/** Lets a step go, and forgets it, as a worker does that is killed. */
async function letGo(engine: Engine, job: TestJob, step: string, command: string): Promise<string> {
  const spec = job.spec(step, ["sh", "-c", command], { gate: true });
  const container = await engine.createContainer(spec, never);
  await container.start(() => undefined, never);
  await container.openGate(never);
  return container.id;
}

/** Finds it again; sees it to its end. */
async function adopt(
  engine: Engine,
  job: TestJob,
  step: string,
  {
    containerId,
    from,
    limits = LIMITS,
    openedAt = Date.now(),
  }: {
    readonly containerId: string;
    readonly from?: { readonly stdout: number; readonly head?: string };
    readonly limits?: typeof LIMITS;
    readonly openedAt?: number;
  },
): Promise<Seen> {
  const spec = { owner: job.owner(step), containerId, limits, openedAt };
  const found = await engine.adoptContainer(spec, never);
  if (found === undefined) throw new Error("It was not found.");
  const chunks: Buffer[] = [];
  let last: OutputPlace | undefined;
  const start = from && {
    stdout: from.stdout,
    stderr: 0,
    head: headOf(Buffer.from(from.head ?? "")),
  };
  await found.follow(
    (chunk, place) => {
      chunks.push(chunk);
      last = place;
    },
    start,
    never,
  );
  const end = await found.wait(never);
  return { end, output: Buffer.concat(chunks).toString(), last };
}

describe.each(engines)("%s: a container of an earlier life", (_name, open) => {
  const engine = open();

  test("that runs is followed from its first byte to its end", async () => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "unit", SPEAKS);

    const { end, output, last } = await adopt(engine, job, "unit", { containerId });

    expect(end).toEqual({ how: "exited", code: 0 });
    expect(output).toBe("one\ntwo\nthree\n");
    expect(last).toMatchObject({ container: containerId, stdout: output.length });
  });

  test("is followed from where it was left", async () => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "unit", SPEAKS);

    const { output } = await adopt(engine, job, "unit", {
      containerId,
      from: { stdout: 6, head: "one\n" },
    });

    expect(output).toBe("o\nthree\n");
  });

  test("that has ended meanwhile says how", async () => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "fails", "exit 7");
    await sleep(1_500);

    const { end, output } = await adopt(engine, job, "fails", { containerId });

    expect(end).toEqual({ how: "exited", code: 7 });
    expect(output).toBe("");
  });

  test("that is gone, or was never let go, is not found", async () => {
    await using job = await newJob(engine);
    const container = await engine.createContainer(
      job.spec("unit", ["true"], { gate: true }),
      never,
    );
    const spec = {
      owner: job.owner("unit"),
      containerId: container.id,
      limits: LIMITS,
      openedAt: 0,
    };

    expect(await engine.adoptContainer(spec, never)).toBeUndefined();
    await container.remove(never);
    expect(await engine.adoptContainer(spec, never)).toBeUndefined();
  });

  test("says on what it stands, so that nobody takes that away", async () => {
    await using job = await newJob(engine);
    const owner = job.owner("NETWORK");
    const network = await engine.createNetwork(owner, { egress: "internet" }, never);
    const spec = job.spec("unit", ["sleep", "0.2"], { gate: true, network });
    const container = await engine.createContainer(spec, never);
    await container.start(() => undefined, never);
    await container.openGate(never);

    const adoptSpec = { owner: spec.owner, containerId: container.id, limits: LIMITS, openedAt: 0 };
    const found = await engine.adoptContainer(adoptSpec, never);

    expect(found?.uses).toContain(network.id);
  });
});

describe("Docker: the output of an adopted container", () => {
  const engine = realEngine();

  test.each([
    [
      "lines longer than the log driver's parts",
      `head -c 50000 /dev/zero | tr '\\0' a; echo; echo end`,
      50_005,
    ],
    ["a line of exactly one part", `head -c 16384 /dev/zero | tr '\\0' b; echo; echo end`, 16_389],
    [
      "lines of whole parts, one after the other and at the end",
      `for n in 1 2 1; do head -c $((n * 16384)) /dev/zero | tr '\\0' c; echo; done`,
      4 * 16_384 + 3,
    ],
    [
      "a line of exactly one part without a newline at the end",
      "head -c 16384 /dev/zero | tr '\\0' d",
      16_384,
    ],
    ["an end without a newline", "printf abc", 3],
    [
      "every byte there is",
      'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done; echo',
      257,
    ],
  ])("%s", async (_name, command, bytes) => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "unit", command);

    const { output, last } = await adopt(engine, job, "unit", { containerId });

    expect(last?.stdout).toBe(bytes);
    if (!command.includes("printf %03o")) expect(output).toHaveLength(bytes);
  });

  test("is announced where the engine has lost its beginning", async () => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "unit", SPEAKS);

    const { output } = await adopt(engine, job, "unit", {
      containerId,
      from: { stdout: 6, head: "another" },
    });

    expect(output).toMatch(/^\[tatara: the engine has dropped the oldest output/);
    expect(output.endsWith("one\ntwo\nthree\n")).toBe(true);
  });

  test("that was ended from outside while nobody looked is no end of its own", async () => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "unit", "sleep 60");
    await docker.getContainer(containerId).kill();

    await expect(adopt(engine, job, "unit", { containerId })).rejects.toMatchObject({
      code: "ENGINE_FAILED",
    });
  });

  test("its limits count from when its gate was opened", async () => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "unit", "sleep 60");
    const limits = { ...LIMITS, timeoutMs: 60_000 };

    const { end } = await adopt(engine, job, "unit", {
      containerId,
      limits,
      openedAt: Date.now() - 59_500,
    });

    expect(end).toEqual({ how: "over-time" });
  });

  test("that ended in time is not over it, however late it is found", async () => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "unit", "true");
    const openedAt = Date.now();
    await docker.getContainer(containerId).wait();
    const limits = { ...LIMITS, timeoutMs: 3_000 };
    await sleep(openedAt + 3_100 - Date.now());

    const { end } = await adopt(engine, job, "unit", { containerId, limits, openedAt });

    expect(end).toEqual({ how: "exited", code: 0 });
  });

  test("that was stopped over its time has not passed, whatever it exits with", async () => {
    await using job = await newJob(engine);
    const openedAt = Date.now();
    const command = "trap 'exit 0' TERM; sleep 60 & wait";
    const containerId = await letGo(engine, job, "unit", command);
    const limits = { ...LIMITS, timeoutMs: 1_000 };
    await sleep(openedAt + 1_100 - Date.now());
    await docker.getContainer(containerId).stop();

    const { end } = await adopt(engine, job, "unit", { containerId, limits, openedAt });

    expect(end).toEqual({ how: "over-time" });
  });

  test("knows its memory peak from the gate's word", async () => {
    await using job = await newJob(engine);
    const containerId = await letGo(engine, job, "unit", "echo hello");
    const spec = { owner: job.owner("unit"), containerId, limits: LIMITS, openedAt: Date.now() };
    const found = await engine.adoptContainer(spec, never);
    await found?.follow(() => undefined, undefined, never);

    expect(await found?.commandExit()).toBe(0);
    await found?.wait(never);

    expect(found?.memoryPeakBytes()).toBeGreaterThan(0);
  });
});
