import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import type { Image, NetworkHandle, ServiceSpec } from "../../workers/build/engine.ts";
import {
  BASE_IMAGE,
  MIB,
  buildFrom,
  collector,
  docker,
  engine,
  never,
  openJob,
  runToEnd,
} from "../support/engine-rig.ts";
import type { TestJob } from "../support/engine-rig.ts";
import { until } from "../support/until.ts";

/** Says who it is to whoever connects, and a line in its log; listens after half a second. */
const LISTENER = [
  "$|=1; use IO::Socket::INET; sleep 1 if $ENV{SLOW};",
  "print qq(up\\n); my $s=IO::Socket::INET->new(Listen=>5,LocalPort=>7000,ReuseAddr=>1) or die;",
  "while(my $c=$s->accept){print $c qq(hello from $ENV{WHO}\\n); close $c}",
].join(" ");
const CLIENT =
  "perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(PeerAddr=>q(db:7000))->getline'";

let built: Awaited<ReturnType<typeof buildFrom>>;
let plain: Image;

beforeAll(async () => {
  const command = JSON.stringify(["perl", "-e", LISTENER]);
  built = await buildFrom(`EXPOSE 9000/udp 7000\nENV WHO=image\nCMD ${command}\n`);
  plain = await engine.findImage(BASE_IMAGE, never);
});
afterAll(() => built[Symbol.asyncDispose]());

interface World {
  readonly job: TestJob;
  readonly network: NetworkHandle;
  readonly output: ReturnType<typeof collector>;
  start(changes?: Partial<ServiceSpec>): ReturnType<typeof engine.startService>;
  [Symbol.asyncDispose](): Promise<void>;
}

async function newWorld(egress: "internet" | "none" = "internet"): Promise<World> {
  const job = openJob(engine, built.image);
  const network = await engine.createNetwork(job.owner("unit"), { egress }, never);
  const output = collector();
  const spec: ServiceSpec = {
    owner: job.owner("unit~db"),
    name: "db",
    image: built.image,
    command: null,
    env: {},
    ready: null,
    readyTimeoutMs: 120_000,
    network,
    cpus: 1,
    memoryBytes: 128 * MIB,
    onOutput: output.take,
  };
  return {
    job,
    network,
    output,
    start: (changes) => engine.startService({ ...spec, ...changes }, never),
    [Symbol.asyncDispose]: () => job[Symbol.asyncDispose](),
  };
}

async function startedIn(world: World, changes?: Partial<ServiceSpec>) {
  const started = await world.start(changes);
  if (started.kind !== "ready") throw new Error(`Not ready: ${JSON.stringify(started)}`);
  return started.service;
}

const sh = (line: string) => ["sh", "-c", line];

describe("a service", () => {
  for (const egress of ["internet", "none"] as const) {
    test(`is reached by its name on a network with egress ${egress}, once its port listens`, async () => {
      await using world = await newWorld(egress);
      await startedIn(world, { env: { WHO: "env", SLOW: "1" } });

      const spec = world.job.spec("unit", sh(CLIENT), { network: world.network });
      const { output } = await runToEnd(engine, spec);

      expect(output).toBe("hello from env\n");
    });
  }

  test("runs the arguments it is given instead of the image's own", async () => {
    await using world = await newWorld();

    await startedIn(world, {
      image: plain,
      command: sh("echo mine; exec sleep 600"),
      ready: "true",
    });

    await until(() => world.output.text(), "mine\n");
  });

  test("is ready when its own command says so, asked inside of it", async () => {
    await using world = await newWorld();
    const command = sh("sleep 1.5; touch /ready; exec sleep 600");

    const service = await startedIn(world, { image: plain, command, ready: "test -e /ready" });

    expect(service.name).toBe("db");
  });

  test("is ready when the image's health check passes, without waiting for its interval", async () => {
    await using checked = await buildFrom(
      'HEALTHCHECK --interval=5m CMD test -e /ready\nCMD ["sh", "-c", "touch /ready; exec sleep 600"]\n',
    );
    await using world = await newWorld();

    await startedIn(world, { image: checked.image, readyTimeoutMs: 120_000 });
  });

  test("without any of these is ready once it has run for a second", async () => {
    await using world = await newWorld();

    const begun = performance.now();
    await startedIn(world, { image: plain, command: sh("exec sleep 600") });

    expect(performance.now() - begun).toBeGreaterThan(1_000);
  });

  test("that ends early is given up at once, with its exit code and last lines", async () => {
    await using world = await newWorld();
    const command = sh("for i in $(seq 30); do echo line $i; done; sleep 0.5; exit 3");

    const started = await world.start({
      image: plain,
      command,
      ready: "false",
      readyTimeoutMs: 60_000,
    });

    const lines = Array.from({ length: 20 }, (_, i) => `line ${i + 11}`).join("\n");
    expect(started).toEqual({
      kind: "not-ready",
      why: "it ended with exit code 3",
      lastLines: lines,
    });
    expect(world.output.text()).toContain("line 1\n");
    expect(await containersOf(world)).toEqual([]);
  });

  test("that never gets ready says what was asked and what came of it", async () => {
    await using world = await newWorld();
    const command = sh("echo starting; exec sleep 600");

    const started = await world.start({
      image: plain,
      command,
      ready: "exit 2",
      readyTimeoutMs: 5_000,
    });

    expect(started).toEqual({
      kind: "not-ready",
      why: "it was not ready within 5 s: exit 2 exited 2",
      lastLines: "starting",
    });
    expect(await containersOf(world)).toEqual([]);
  });

  test("whose last answer does not come in time is told by the one before", async () => {
    await using world = await newWorld();
    const asked = "test -e /tmp/asked && exec sleep 60; touch /tmp/asked; exit 2";

    const started = await world.start({
      image: plain,
      command: sh("exec sleep 600"),
      ready: asked,
      readyTimeoutMs: 5_000,
    });

    const why = `it was not ready within 5 s: ${asked} exited 2`;
    expect(started).toMatchObject({ kind: "not-ready", why });
  });

  test("whose command does not exist is not ready, and says so", async () => {
    await using world = await newWorld();

    const started = await world.start({ image: plain, command: ["/no/such"] });

    expect(started).toMatchObject({
      kind: "not-ready",
      why: "it ended with exit code 127",
      lastLines: expect.stringContaining("/no/such"),
    });
  });

  test("that needs too much memory is told apart", async () => {
    await using world = await newWorld();

    const started = await world.start({
      image: plain,
      command: sh("exec tail /dev/zero"),
      ready: "false",
      memoryBytes: 32 * MIB,
    });

    expect(started).toMatchObject({ kind: "not-ready", why: "it ran out of memory" });
  });

  test("hands over its last words when it is stopped, and leaves nothing", async () => {
    await using world = await newWorld();
    const line = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    const service = await startedIn(world, { image: plain, command: sh(line) });
    await until(() => world.output.text(), "up\n");

    await service.stop(never);
    await service.stop(never);

    expect(world.output.text()).toBe("up\nbye\n");
    expect(await containersOf(world)).toEqual([]);
  });

  test("is stopped when the job is while it waits", async () => {
    await using world = await newWorld();
    const stop = new AbortController();
    const spec = {
      owner: world.job.owner("unit~db"),
      name: "db",
      image: plain,
      command: sh("echo up; exec sleep 600"),
      env: {},
      ready: "false",
      readyTimeoutMs: 60_000,
      network: world.network,
      cpus: 1,
      memoryBytes: 128 * MIB,
      onOutput: () => stop.abort(new Stopped("cancelled")),
    };

    const starting = engine.startService(spec, stop.signal);

    await expect(starting).rejects.toEqual(new Stopped("cancelled"));
    expect(await containersOf(world)).toEqual([]);
  });

  test("that was left running goes with its attempt", async () => {
    await using world = await newWorld();
    await startedIn(world);

    await engine.removeAllOf({ jobId: world.job.jobId, attempt: 1 }, never);

    expect(await world.job.leftovers()).toEqual([]);
  });

  test("has Docker's capabilities without two, its limits, and no mount", async () => {
    await using world = await newWorld();
    const command = sh("grep ^CapBnd /proc/1/status; exec sleep 600");
    await startedIn(world, { image: plain, command, ready: "true" });
    await until(() => world.output.text(), "CapBnd:\t00000000a00405fb\n");
    const [found] = await containersOf(world);

    const { HostConfig: host, Mounts: mounts } = await docker.getContainer(found ?? "").inspect();

    expect(mounts).toEqual([]);
    expect(host).toMatchObject({
      Memory: 128 * MIB,
      MemorySwap: 128 * MIB,
      NanoCpus: 1e9,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
    });
  });

  async function containersOf({ job }: World) {
    const left = await job.leftovers();
    return left.filter(({ kind }) => kind === "container").map(({ id }) => id);
  }
});
