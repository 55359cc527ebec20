import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rmdir, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import {
  LIMITS,
  MIB,
  buildOptions,
  collector,
  docker,
  engine,
  never,
  newJob,
  openRoad,
  realEngine,
  removeImage,
  runLine,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";

const MEMORY_CGROUPS = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
const exited = (code: number) => ({ how: "exited", code });

describe("output and end", () => {
  test("25,000 lines on both streams arrive whole and in order", async () => {
    const line = "i=0; while [ $i -lt 25000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";

    const { end, output } = await runLine(line);

    const wanted = Array.from({ length: 25_000 }, (_, i) => `out ${i}\nerr ${i}\n`).join("");
    expect(end).toEqual(exited(0));
    expect(output.length).toBe(wanted.length);
    expect(output === wanted).toBe(true);
  });

  test("every byte value arrives as it was", async () => {
    const line = `perl -e 'print map { chr } 0..255' | head -c 256`;
    const { job } = await newJob();
    await using _job = job;
    const container = await engine.createContainer(job.spec("step", ["sh", "-c", line]), never);
    const output = collector();

    await container.start(output.take, never);
    await container.wait(never);

    expect([...output.bytes()]).toEqual(Array.from({ length: 256 }, (_, i) => i));
  });

  test("a command that reads its input finds none, gate or not", async () => {
    const { job } = await newJob();
    await using _job = job;
    const gated = await engine.createContainer(
      job.spec("gated", ["sh", "-c", "cat; echo end"], { gate: true }),
      never,
    );
    const output = collector();
    await gated.start(output.take, never);
    await gated.openGate(never);

    expect(await gated.wait(never)).toEqual(exited(0));
    expect(output.text()).toBe("end\n");
    expect(await runLine("cat; echo end")).toEqual({ end: exited(0), output: "end\n" });
  });

  test("arguments reach the command as they are", async () => {
    const { job } = await newJob();
    await using _job = job;
    const odd = ["a b", "$HOME", "`id`", 'q"uote', "new\nline", ""];

    const { output } = await runToEnd(engine, job.spec("step", ["printf", "<%s>", ...odd]));

    expect(output).toBe(odd.map((part) => `<${part}>`).join(""));
  });

  test("out of memory is told every time", async () => {
    const limits = { ...LIMITS, memoryBytes: 32 * MIB };
    const { job } = await newJob();
    await using _job = job;

    const ends = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const spec = job.spec(`step-${i}`, ["tail", "/dev/zero"], { limits });
        return (await runToEnd(engine, spec)).end;
      }),
    );

    expect(ends).toEqual(Array.from({ length: 6 }, () => ({ how: "out-of-memory" })));
  });

  test("so it is when the command passes after that, every time", async () => {
    const limits = { ...LIMITS, memoryBytes: 32 * MIB };
    const line = "tail /dev/zero | cat; exit 0";

    const ends = await Promise.all(Array.from({ length: 6 }, () => runLine(line, { limits })));

    expect(ends.map(({ end }) => end)).toEqual(ends.map(() => ({ how: "out-of-memory" })));
  });

  test.runIf(existsSync(MEMORY_CGROUPS))("but not when only a neighbour ran out", async () => {
    await using parent = await limitedCgroup(64 * MIB);
    const engine = realEngine({ cgroupParent: parent.name });
    const { job } = await newJob();
    await using _job = job;
    const limits = { ...LIMITS, memoryBytes: 256 * MIB };
    const line = "echo ready; while :; do read -r _ < /go && exit 0; sleep 0.1; done";
    const calm = await engine.createContainer(
      job.spec("calm", ["sh", "-c", line], { limits }),
      never,
    );
    await calm.start(() => undefined, never);

    const { end } = await runToEnd(engine, job.spec("hog", ["tail", "/dev/zero"], { limits }));
    await calm.putArchive(tarOf({ go: "\n" }), "/", never);

    expect(end).toEqual({ how: "out-of-memory" });
    expect(await calm.wait(never)).toEqual(exited(0));
  });

  test("a command over its time is told so first, and its last words are kept", async () => {
    const line = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.1; done";

    // So much longer than it takes until it is ready.
    const { end, output } = await runLine(line, { limits: { ...LIMITS, timeoutMs: 3_000 } });

    expect(end).toEqual({ how: "over-time" });
    expect(output).toMatch(/^ready\n[^]*goodbye\n$/);
  });

  test("a command that ignores SIGTERM is killed after ten seconds", async () => {
    const line = "trap '' TERM; while :; do sleep 0.1; done";
    const begun = performance.now();

    const { end } = await runLine(line, { limits: { ...LIMITS, timeoutMs: 2_000 } });

    expect(end).toEqual({ how: "over-time" });
    expect(performance.now() - begun).toBeGreaterThan(12_000);
  });

  test("daemons that a step leaves behind end with it", async () => {
    const { end } = await runLine("(setsid sleep 600 &) ; exit 5");

    expect(end).toEqual(exited(5));
  });

  test("an abort leaves nothing running", async () => {
    const { job } = await newJob();
    await using _job = job;
    const stop = new AbortController();
    const spec = job.spec("step", ["sleep", "600"]);
    const container = await engine.createContainer(spec, never);
    await container.start(() => undefined, never);

    const ending = container.wait(stop.signal);
    stop.abort(new Stopped("shutdown"));

    await expect(ending).rejects.toEqual(new Stopped("shutdown"));
    const { State: state } = await docker.getContainer(container.id).inspect();
    expect(state.Running).toBe(false);
  });

  test("what the reader of the output throws ends the wait", async () => {
    const { job } = await newJob();
    await using _job = job;
    const spec = job.spec("step", ["sh", "-c", "echo hello; sleep 600"]);
    const container = await engine.createContainer(spec, never);
    const broken = new Error("The disk is full.");

    await container.start(() => Promise.reject(broken), never);

    await expect(container.wait(never)).rejects.toBe(broken);
  });

  test("an image without a shell is the user's fault", async () => {
    const { job } = await newJob();
    await using _job = job;
    const context = tarOf({ Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
    const built = await engine.buildImage(buildOptions(job, context), never);
    if (built.kind !== "built") throw new Error("The image was not built.");
    const { image } = built;
    await using _image = { [Symbol.asyncDispose]: () => removeImage(engine, image) };

    const running = runToEnd(engine, job.spec("step", ["/Dockerfile"], { image }));

    await expect(running).rejects.toMatchObject({ code: "NO_SHELL" });
    await engine.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);
  });

  test("a step that starts over replaces the container of its earlier life", async () => {
    const { job } = await newJob();
    await using _job = job;
    const first = await engine.createContainer(job.spec("step", ["sleep", "600"]), never);
    await first.start(() => undefined, never);

    const { end, container } = await runToEnd(engine, job.spec("step", ["true"]));

    expect(end).toEqual(exited(0));
    expect(container.id).not.toBe(first.id);
    expect(await job.leftovers()).toHaveLength(1);
  });
});

describe("an engine in trouble", () => {
  test("no engine at all is an infra fault", async () => {
    const nowhere = realEngine({ socketPath: "/nonexistent/docker.sock" });

    await expect(nowhere.ping(never)).rejects.toMatchObject({
      name: "InfraFault",
      code: "ENGINE_UNAVAILABLE",
    });
  });

  test("an engine that does not answer is given up", async () => {
    await using road = await openRoad(() => undefined);

    const ping = realEngine({ socketPath: road.socketPath }).ping(never);

    await expect(ping).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
  });

  test("a connection that breaks while a container runs is never taken for its end", async () => {
    await using road = await openRoad();
    const distant = realEngine({ socketPath: road.socketPath });
    const { job } = await newJob();
    await using _job = job;
    const container = await distant.createContainer(job.spec("step", ["sleep", "600"]), never);
    await container.start(() => undefined, never);

    const ending = container.wait(never);
    road.cut();

    await expect(ending).rejects.toMatchObject({ name: "InfraFault", code: "ENGINE_FAILED" });
  });

  test("values of variables never travel in an address", async () => {
    await using road = await openRoad();
    const distant = realEngine({ socketPath: road.socketPath });
    const { job } = await newJob();
    await using _job = job;

    await distant.createContainer(job.spec("step", ["true"], { env: { KEY: "hunter2" } }), never);

    const lines = road
      .sent()
      .split("\r\n")
      .filter((line) => line.includes("HTTP/1.1"));
    expect(lines.join()).toContain("/containers/create");
    expect(lines.join()).not.toContain("hunter2");
  });
});

/** A cgroup v1 that all containers of an engine share the memory of. */
async function limitedCgroup(bytes: number) {
  const name = `/tatara-test-${randomUUID().slice(0, 8)}`;
  const dir = `/sys/fs/cgroup/memory${name}`;
  await mkdir(dir);
  await writeFile(`${dir}/memory.limit_in_bytes`, String(bytes));
  return {
    name,
    async [Symbol.asyncDispose]() {
      // Docker leaves its own folder of the worker in each hierarchy.
      for (const kind of await readdir("/sys/fs/cgroup")) {
        const left = `/sys/fs/cgroup/${kind}${name}`;
        await rmdir(`${left}/engine-test`).catch(() => undefined);
        await rmdir(left).catch(() => undefined);
      }
    },
  };
}
