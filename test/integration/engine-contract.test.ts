import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { UserFault } from "../../src/domain/faults.ts";
import { Stopped } from "../../src/domain/stop.ts";
import type { ContainerEnd } from "../../src/domain/step.ts";
import type { Engine, Image } from "../../workers/build/engine.ts";
import {
  BASE_IMAGE,
  LIMITS,
  MIB,
  collector,
  filesAt,
  never,
  openJob,
  removeImage,
  realEngine,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";
import { scriptedEngine } from "../support/scripted-engine.ts";
import type { StepScript } from "../support/scripted-engine.ts";

/** Each step twice: as a command for Docker, and as the script that claims to behave like it. */
const STEPS = {
  passes: { command: ["true"], script: {} },
  fails: { command: ["sh", "-c", "exit 3"], script: { code: 3 } },
  speaks: {
    command: ["sh", "-c", "echo one; echo two >&2; echo three"],
    script: { output: ["one\n", "two\n", "three\n"] },
  },
  hangs: {
    command: ["sh", "-c", "echo begun; exec sleep 600"],
    script: { output: ["begun\n"], how: "hangs" },
  },
  "eats-memory": { command: ["tail", "/dev/zero"], script: { how: "out-of-memory" } },
  "loses-a-child": {
    command: ["sh", "-c", "tail /dev/zero; echo passed all the same"],
    script: { how: "out-of-memory", output: ["passed all the same\n"] },
  },
  "leaves-a-file": {
    command: ["sh", "-c", "mkdir /results && echo done > /results/report.txt"],
    script: { files: { "/results/report.txt": "done\n" } },
  },
  "changes-the-tree": {
    command: ["sh", "-c", "echo changed > /workspace/hello.txt"],
    script: { files: { "/workspace/hello.txt": "changed\n" } },
  },
  "reads-secrets": {
    command: ["sh", "-c", "cp /run/secrets/TOKEN /copied; exec true"],
    script: { files: { "/copied": "s3cret-value" }, memoryPeakBytes: 1_000_000 },
  },
} satisfies Record<string, { command: string[]; script: StepScript }>;
type StepName = keyof typeof STEPS;

const DOCKERFILES = {
  "good-image": `FROM ${BASE_IMAGE}\nRUN echo hello from the build\n`,
  "bad-line": `FROM ${BASE_IMAGE}\nRUN exit 7\n`,
  unreadable: `FROM ${BASE_IMAGE}\nRUNN true\n`,
} as const;

function scripted(): Engine {
  const unreadable = new UserFault("DOCKERFILE_INVALID", "unknown instruction: RUNN", { hint: "" });
  const failed = { kind: "failed", message: "", exitCode: 7, instruction: "RUN exit 7" } as const;
  return scriptedEngine({
    ...Object.fromEntries(Object.entries(STEPS).map(([name, { script }]) => [name, script])),
    "good-image": { output: ["hello from the build\n"] },
    "bad-line": { build: failed },
    unreadable: { build: unreadable },
  });
}

const engines: [string, () => Engine][] = [
  ["the scripted engine", scripted],
  ["Docker", realEngine],
];

describe.each(engines)("%s", (_name, open) => {
  const engine = open();

  async function newJob() {
    const image: Image = await engine.findImage(BASE_IMAGE, never);
    return { image, job: openJob(engine, image) };
  }

  async function endOf(step: StepName, limits = LIMITS): Promise<ContainerEnd> {
    const { job } = await newJob();
    await using _job = job;
    const { end } = await runToEnd(engine, job.spec(step, STEPS[step].command, { limits }));
    return end;
  }

  test("says what it is", async () => {
    expect(await engine.ping(never)).toMatchObject({ version: expect.any(String) });
  });

  test("a command that passes exits with 0, one that fails with its own code", async () => {
    expect(await endOf("passes")).toEqual({ how: "exited", code: 0 });
    expect(await endOf("fails")).toEqual({ how: "exited", code: 3 });
  });

  test("a command over its time is stopped", async () => {
    expect(await endOf("hangs", { ...LIMITS, timeoutMs: 700 })).toEqual({ how: "over-time" });
  });

  test("a command that falls silent is stopped", async () => {
    expect(await endOf("hangs", { ...LIMITS, idleTimeoutMs: 700 })).toEqual({ how: "silent" });
  });

  test("a command over its memory is told apart from one that fails", async () => {
    const limits = { ...LIMITS, memoryBytes: 32 * MIB };

    expect(await endOf("eats-memory", limits)).toEqual({ how: "out-of-memory" });
  });

  test("a command that passes although memory ran out has not passed", async () => {
    const limits = { ...LIMITS, memoryBytes: 32 * MIB };

    expect(await endOf("loses-a-child", limits)).toEqual({ how: "out-of-memory" });
  });

  test("all output has been handed over, in order, when the end is known", async () => {
    const { job } = await newJob();
    await using _job = job;

    const { output } = await runToEnd(engine, job.spec("speaks", STEPS.speaks.command));

    expect(output).toBe("one\ntwo\nthree\n");
  });

  test("a slow reader gets everything", async () => {
    const { job } = await newJob();
    await using _job = job;
    const container = await engine.createContainer(job.spec("speaks", STEPS.speaks.command), never);
    const output = collector();

    await container.start(async (chunk) => {
      await sleep(100);
      output.take(chunk);
    }, never);
    await container.wait(never);

    expect(output.text()).toBe("one\ntwo\nthree\n");
  });

  test("a gated command does nothing until its gate is opened", async () => {
    const { job } = await newJob();
    await using _job = job;
    const spec = job.spec("speaks", STEPS.speaks.command, { gate: true });
    const container = await engine.createContainer(spec, never);
    const output = collector();
    await container.start(output.take, never);
    await sleep(300);
    const before = output.text();

    await container.openGate(never);
    const end = await container.wait(never);

    expect(before).toBe("");
    expect(end).toEqual({ how: "exited", code: 0 });
    expect(output.text()).toBe("one\ntwo\nthree\n");
  });

  test("time at the gate does not count", async () => {
    const { job } = await newJob();
    await using _job = job;
    const limits = { ...LIMITS, timeoutMs: 2_000, idleTimeoutMs: 2_000 };
    const spec = job.spec("passes", STEPS.passes.command, { gate: true, limits });
    const container = await engine.createContainer(spec, never);
    await container.start(() => undefined, never);
    const ending = container.wait(never);
    await sleep(2_500);

    await container.openGate(never);

    expect(await ending).toEqual({ how: "exited", code: 0 });
  });

  test("the command's own exit code is told before its end is, and no other end looks like a pass", async () => {
    const { job } = await newJob();
    await using _job = job;
    const exitOf = async (step: StepName, { timeoutMs } = LIMITS) => {
      const limits = { ...LIMITS, memoryBytes: 32 * MIB, timeoutMs };
      const spec = job.spec(step, STEPS[step].command, { limits });
      const container = await engine.createContainer(spec, never);
      await container.start(() => undefined, never);
      let isOver = false;
      const ending = container.wait(never).then(() => (isOver = true));
      const code = await container.commandExit();
      const wasOver = isOver;
      await ending;
      return { code, wasOver };
    };

    expect(await exitOf("passes")).toEqual({ code: 0, wasOver: false });
    expect(await exitOf("fails")).toMatchObject({ code: 3 });
    expect((await exitOf("hangs", { ...LIMITS, timeoutMs: 2_000 })).code).not.toBe(0);
    expect((await exitOf("eats-memory")).code).not.toBe(0);
  });

  test("an abort stops the container and throws its reason", async () => {
    const { job } = await newJob();
    await using _job = job;
    const stop = new AbortController();
    const container = await engine.createContainer(job.spec("hangs", STEPS.hangs.command), never);
    await container.start(() => stop.abort(new Stopped("cancelled")), never);

    const ending = container.wait(stop.signal);

    await expect(ending).rejects.toEqual(new Stopped("cancelled"));
  });

  test("a call with an aborted signal throws its reason and makes nothing", async () => {
    const { job } = await newJob();
    await using _job = job;
    const stopped = AbortSignal.abort(new Stopped("lease-lost"));

    const creating = engine.createContainer(job.spec("passes", ["true"]), stopped);

    await expect(creating).rejects.toEqual(new Stopped("lease-lost"));
    expect(await job.leftovers()).toEqual([]);
  });

  test("files put into a container come out as they went in", async () => {
    const { job } = await newJob();
    await using _job = job;
    const container = await engine.createContainer(job.spec("passes", ["true"]), never);
    const files = { "a.txt": "alpha", "b/c.txt": "gamma\n" };

    await container.putArchive(tarOf(files), "/tmp", never);

    expect(await filesAt(container, "/tmp/a.txt")).toEqual({ "a.txt": "alpha" });
    expect(await filesAt(container, "/tmp/b")).toEqual({ "b/c.txt": "gamma\n" });
  });

  test("results are found after the end, and a missing path is no fault", async () => {
    const { job } = await newJob();
    await using _job = job;
    const spec = job.spec("leaves-a-file", STEPS["leaves-a-file"].command);

    const { container } = await runToEnd(engine, spec);

    expect(await filesAt(container, "/results")).toEqual({ "results/report.txt": "done\n" });
    expect(await filesAt(container, "/no/such/path")).toBeUndefined();
  });

  test("each step sees the tree as it was pushed, whatever another did to it", async () => {
    const { job, image } = await newJob();
    await using _job = job;
    const workspace = await engine.createWorkspace(
      {
        owner: job.owner("workspace"),
        image,
        steps: ["changes-the-tree", "passes"],
        tree: (owner) => tarOf({ "hello.txt": "as pushed\n" }, owner),
      },
      never,
    );
    const specOf = (step: StepName) =>
      job.spec(step, STEPS[step].command, {
        volumes: { [workspace.volumeFor(step)]: "/workspace" },
        workingDir: "/workspace",
      });

    const changed = await runToEnd(engine, specOf("changes-the-tree"));
    const other = await runToEnd(engine, specOf("passes"));

    const path = "/workspace/hello.txt";
    expect(changed.end).toEqual({ how: "exited", code: 0 });
    expect(await filesAt(changed.container, path)).toEqual({ "hello.txt": "changed\n" });
    expect(await filesAt(other.container, path)).toEqual({ "hello.txt": "as pushed\n" });
  });

  test("what a job made is listed with its owner until it is removed", async () => {
    const { job } = await newJob();
    await using _job = job;
    const container = await engine.createContainer(job.spec("passes", ["true"]), never);
    const network = await engine.createNetwork(job.owner("network"), { egress: "internet" }, never);

    const left = await job.leftovers();
    for (const leftover of left) await engine.removeLeftover(leftover, never);

    const owner = { workerId: "engine-test", jobId: job.jobId, attempt: 1 };
    expect(left).toContainEqual(
      expect.objectContaining({ ...owner, kind: "container", id: container.id }),
    );
    expect(left).toContainEqual(
      expect.objectContaining({ ...owner, kind: "network", id: network.id }),
    );
    expect(await job.leftovers()).toEqual([]);
  });

  test("removing twice is fine, and so is removing what never was", async () => {
    const { job } = await newJob();
    await using _job = job;
    const container = await engine.createContainer(job.spec("passes", ["true"]), never);

    await container.remove(never);
    await container.remove(never);
    await engine.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);
    await engine.removeAllOf({ jobId: "never-was", attempt: 1 }, never);

    expect(await job.leftovers()).toEqual([]);
  });

  test("a step reads its secrets, and its highest memory is known at its end", async () => {
    const { job } = await newJob();
    await using _job = job;
    const secrets = [{ name: "TOKEN", value: "s3cret-value" }];
    const spec = job.spec("reads-secrets", STEPS["reads-secrets"].command, { secrets });

    const { container, end } = await runToEnd(engine, spec);

    expect(end).toEqual({ how: "exited", code: 0 });
    expect(await filesAt(container, "/copied")).toEqual({ copied: "s3cret-value" });
    expect(container.memoryPeakBytes()).toBeGreaterThan(0);
  });

  describe("building an image", () => {
    async function build(name: keyof typeof DOCKERFILES) {
      const { job } = await newJob();
      await using _job = job;
      const output = collector();
      const options = {
        owner: job.owner(name),
        context: tarOf({ Dockerfile: `${DOCKERFILES[name]}LABEL test.job=${job.jobId}\n` }),
        dockerfile: "Dockerfile",
        stage: null,
        args: {},
        secrets: [],
        isFresh: false,
        onOutput: output.take,
        timeoutMs: LIMITS.timeoutMs,
      };
      const built = await engine.buildImage(options, never);
      if (built.kind === "built") await removeImage(engine, built.image);
      return { built, output: output.text() };
    }

    test("returns the image and shows the output", async () => {
      const { built, output } = await build("good-image");

      expect(built).toMatchObject({ kind: "built", image: { id: expect.any(String) } });
      expect(output).toContain("hello from the build");
    });

    test("returns a line that fails, with its exit code", async () => {
      const { built } = await build("bad-line");

      expect(built).toMatchObject({ kind: "failed", exitCode: 7, instruction: "RUN exit 7" });
    });

    test("throws a user fault for a Dockerfile that cannot be read", async () => {
      await expect(build("unreadable")).rejects.toMatchObject({ code: "DOCKERFILE_INVALID" });
    });
  });
});
