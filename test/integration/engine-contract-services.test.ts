import { describe, expect, test } from "vitest";
import type { Engine, Image } from "../../workers/build/engine.ts";
import {
  BASE_IMAGE,
  MIB,
  collector,
  never,
  openJob,
  realEngine,
  runToEnd,
} from "../support/engine-rig.ts";
import { scriptedEngine } from "../support/scripted-engine.ts";
import type { StepScript } from "../support/scripted-engine.ts";

/** Services as the script that claims to behave like `startService` of the lines below. */
const SERVICES = {
  "unit~ready": { output: ["up\n"] },
  "unit~gone": { output: ["a\n", "b\n"], notReady: "it ended with exit code 3" },
} satisfies Record<string, StepScript>;

const FAILS = { command: ["sh", "-c", "exit 3"], script: { code: 3 } } as const;

const engines: [string, () => Engine][] = [
  ["the scripted engine", () => scriptedEngine({ ...SERVICES, fails: FAILS.script })],
  ["Docker", realEngine],
];

describe.each(engines)("%s", (_name, open) => {
  const engine = open();

  async function newJob() {
    const image: Image = await engine.findImage(BASE_IMAGE, never);
    return { image, job: openJob(engine, image) };
  }

  describe("a service", () => {
    async function start(name: "ready" | "gone", line: string) {
      const { job, image } = await newJob();
      const network = await engine.createNetwork(job.owner("unit"), { egress: "none" }, never);
      const output = collector();
      const started = await engine.startService(
        {
          owner: job.owner(`unit~${name}`),
          name,
          image,
          command: ["sh", "-c", line],
          env: {},
          ready: name === "ready" ? "true" : "false",
          readyTimeoutMs: 120_000,
          network,
          cpus: 1,
          memoryBytes: 64 * MIB,
          onOutput: output.take,
        },
        never,
      );
      return { job, started, output, network };
    }

    test("is ready, on the network it was given, and gone once stopped", async () => {
      const { job, started, output, network } = await start("ready", "echo up; exec sleep 600");
      await using _job = job;
      if (started.kind !== "ready") throw new Error(JSON.stringify(started));
      const during = await job.leftovers();

      await started.service.stop(never);
      await started.service.stop(never);

      expect(network).toMatchObject({ egress: "none", gateway: null, proxy: null });
      expect(started.service.name).toBe("ready");
      expect(output.text()).toBe("up\n");
      expect(during.map(({ kind }) => kind).toSorted()).toEqual(["container", "network"]);
      expect((await job.leftovers()).map(({ kind }) => kind)).toEqual(["network"]);
    });

    test("that ends is not ready, with the reason and its last lines", async () => {
      const { job, started } = await start("gone", "echo a; echo b; exit 3");
      await using _job = job;

      expect(started).toEqual({
        kind: "not-ready",
        why: "it ended with exit code 3",
        lastLines: "a\nb",
      });
    });
  });

  test("a kept container survives its attempt, is found by its step, and takes a shell", async () => {
    const { job } = await newJob();
    await using _job = job;
    const { container } = await runToEnd(engine, job.spec("fails", FAILS.command));
    const until = Math.ceil(Date.now() / 1000) * 1000 + 3_600_000;
    const step = { jobId: job.jobId, attempt: 1, step: "fails" };
    const before = await engine.findKept(step, never);

    await container.keepUntil(until, never);
    await engine.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);
    const kept = await engine.findKept(step, never);
    const listed = await engine.listKept(job.spec("fails", FAILS.command).owner.workerId, never);
    const session = await kept?.openShell({ columns: 80, rows: 24 }, never);
    session?.output.resume();
    await session?.resize({ columns: 100, rows: 30 });
    session?.input.write("exit 5\r\n");
    const code = await session?.ended();
    await session?.close();

    expect(before).toBeUndefined();
    expect(kept).toMatchObject({ id: container.id, until });
    expect(code).toBe(5);
    expect(await job.leftovers()).toEqual([]);
    expect(listed.map((one) => one.until)).toContain(until);
    await listed.find((one) => one.until === until)?.remove(never);
    expect(await engine.findKept(step, never)).toBeUndefined();
  });
});
