import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import Dockerode from "dockerode";
import { describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import type { BuildImageOptions, ContainerSpec, Image } from "../../workers/build/engine.ts";
import {
  BASE_IMAGE,
  LIMITS,
  MIB,
  SOCKET_PATH,
  collector,
  filesAt,
  never,
  openJob,
  realEngine,
  removeImage,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";
import type { TestJob } from "../support/engine-rig.ts";
import { until } from "../support/until.ts";

const engine = realEngine();
const docker = new Dockerode({ socketPath: SOCKET_PATH });

async function newJob() {
  const image = await engine.findImage(BASE_IMAGE, never);
  return { image, job: openJob(engine, image, "docker-test") };
}

/** Runs a line of shell in a step of its own and returns how it ended and what it said. */
async function run(line: string, changes: Partial<ContainerSpec> = {}) {
  const { job } = await newJob();
  await using _job = job;
  const { end, output } = await runToEnd(engine, job.spec("step", ["sh", "-c", line], changes));
  return { end, output };
}

const exited = (code: number) => ({ how: "exited", code });

describe("a step's container, seen from inside", () => {
  const bits = async (name: string, changes: Partial<ContainerSpec> = {}) => {
    const { output } = await run(`grep ^${name}: /proc/self/status`, changes);
    return output.split(/\s+/)[1];
  };

  test("a test has seven capabilities, packaging Docker's set without two", async () => {
    expect(await bits("CapEff")).toBe("00000000000004eb");
    expect(await bits("CapBnd")).toBe("00000000000004eb");
    expect(await bits("CapEff", { privilege: "package" })).toBe("00000000a00405fb");
    expect(await bits("CapEff", { user: "65534" })).toBe("0000000000000000");
  });

  test("no new privileges, and system calls are filtered", async () => {
    expect(await bits("NoNewPrivs")).toBe("1");
    expect(await bits("Seccomp")).toBe("2");
  });

  test("package managers' system calls work: chown and changing the user", async () => {
    const line = "touch /f && chown 1234:1234 /f && setpriv --reuid 1234 --clear-groups id -u";

    expect(await run(line)).toEqual({ end: exited(0), output: "1234\n" });
  });

  test("no core dumps, a bound on open files, killed before the host", async () => {
    const { output } = await run("ulimit -c; ulimit -n; cat /proc/self/oom_score_adj");

    expect(output).toBe("0\n16384\n500\n");
  });

  test("no socket of the engine, no device, no file of the host", async () => {
    const { output } = await run(
      "ls /var/run/docker.sock /run/docker.sock /dev/kmsg /dev/sda /dev/vda 2>/dev/null; true",
    );

    expect(output).toBe("");
  });

  test("/tmp is a bounded memory file system on which files may be executed", async () => {
    const { output } = await run(
      "stat -c %a /tmp; df -m --output=size /tmp | tail -1; cp /bin/true /tmp/t && /tmp/t && echo ok",
    );

    expect(output.split(/\s+/).filter(Boolean)).toEqual(["1777", "512", "ok"]);
  });

  test("without a network there is only the loopback; with the job's there is one more", async () => {
    const { job } = await newJob();
    await using _job = job;
    const network = await engine.createNetwork(job.owner("network"), never);
    const command = ["sh", "-c", "ls /sys/class/net"];

    const none = await runToEnd(engine, job.spec("none", command));
    const own = await runToEnd(engine, job.spec("own", command, { network }));

    expect(none.output).toBe("lo\n");
    expect(own.output).toBe("eth0\nlo\n");
  });

  test("processes are bounded, and the step's failure is its own", async () => {
    const limits = { ...LIMITS, pids: 32 };
    const line = "for i in $(seq 100); do sleep 30 & done; wait";

    const { end, output } = await run(line, { limits });

    expect(end).toMatchObject({ how: "exited" });
    expect(end).not.toEqual(exited(0));
    expect(output).toMatch(/[Cc]annot fork|Resource temporarily unavailable/);
  });

  test("swap does not stretch the memory limit", async () => {
    const { job } = await newJob();
    await using _job = job;
    const container = await engine.createContainer(job.spec("step", ["true"]), never);

    const { HostConfig: host } = await docker.getContainer(container.id).inspect();

    expect(host.Memory).toBe(LIMITS.memoryBytes);
    expect(host.MemorySwap).toBe(LIMITS.memoryBytes);
  });

  test("nothing of the host is in its specification", async () => {
    const { job } = await newJob();
    await using _job = job;
    const container = await engine.createContainer(job.spec("step", ["true"]), never);

    const { HostConfig: host, Mounts: mounts } = await docker.getContainer(container.id).inspect();

    expect(host.Privileged).toBe(false);
    expect(host.Binds ?? []).toEqual([]);
    expect(host.Devices ?? []).toEqual([]);
    expect([host.PidMode, host.UTSMode, host.UsernsMode]).toEqual(["", "", ""]);
    expect(host).toMatchObject({ IpcMode: "private", CgroupnsMode: "private" });
    expect(mounts).toEqual([]);
  });

  test("the image's entry point and health check are not used", async () => {
    await using built = await buildFrom(
      'ENTRYPOINT ["/bin/false"]\nHEALTHCHECK CMD touch /checked\nSTOPSIGNAL SIGUSR1\n',
    );

    const { end } = await runToEnd(
      engine,
      built.job.spec("step", ["sh", "-c", "exit 4"], { image: built.image }),
    );

    expect(end).toEqual(exited(4));
  });
});

describe("output and end", () => {
  test("25,000 lines on both streams arrive whole and in order", async () => {
    const line = "i=0; while [ $i -lt 25000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";

    const { end, output } = await run(line);

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
    expect(await run("cat; echo end")).toEqual({ end: exited(0), output: "end\n" });
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

  test("a command that survives the death of a child passes", async () => {
    const limits = { ...LIMITS, memoryBytes: 32 * MIB };

    const { end } = await run("tail /dev/zero; exit 0", { limits });

    expect(end).toEqual(exited(0));
  });

  test("a command over its time is told so first, and its last words are kept", async () => {
    const line = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.1; done";

    const { end, output } = await run(line, { limits: { ...LIMITS, timeoutMs: 1_000 } });

    expect(end).toEqual({ how: "over-time" });
    expect(output).toMatch(/^ready\n[^]*goodbye\n$/);
  });

  test("a command that ignores SIGTERM is killed after ten seconds", async () => {
    const line = "trap '' TERM; while :; do sleep 0.1; done";
    const begun = performance.now();

    const { end } = await run(line, { limits: { ...LIMITS, timeoutMs: 300 } });

    expect(end).toEqual({ how: "over-time" });
    expect(performance.now() - begun).toBeGreaterThan(10_000);
    expect(performance.now() - begun).toBeLessThan(15_000);
  });

  test("daemons that a step leaves behind end with it", async () => {
    const { end } = await run("(setsid sleep 600 &) ; exit 5");

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

describe("the workspace", () => {
  const workspaceOf = (job: TestJob, image: Image, files: Record<string, string>) =>
    engine.createWorkspace(
      { owner: job.owner("workspace"), image, steps: ["step"], tree: (by) => tarOf(files, by) },
      never,
    );

  test("belongs to the image's own user, looked up in the image", async () => {
    await using built = await buildFrom(
      "RUN useradd --uid 4321 --home-dir /srv/builder builder\nUSER builder\n",
    );
    const { job, image } = built;
    const workspace = await workspaceOf(job, image, { "a.txt": "a" });

    const { output } = await runToEnd(
      engine,
      job.spec("step", ["sh", "-c", "touch new && stat -c '%n %u %g' . a.txt new"], {
        image,
        workingDir: "/workspace",
        volumes: { [workspace.volumeFor("step")]: "/workspace" },
      }),
    );

    expect(workspace).toMatchObject({ uid: 4321, gid: 4321, home: "/srv/builder" });
    expect(output).toBe(". 4321 4321\na.txt 4321 4321\nnew 4321 4321\n");
  });

  test("a user by number, with a group by name", async () => {
    await using built = await buildFrom("USER 5555:daemon\n");

    const workspace = await workspaceOf(built.job, built.image, {});

    expect(workspace).toMatchObject({ uid: 5555, gid: 1, home: "/" });
  });

  test("a user that the image does not have is the user's fault", async () => {
    await using built = await buildFrom("USER nosuchuser\n");

    const making = workspaceOf(built.job, built.image, {});

    await expect(making).rejects.toMatchObject({ code: "DOCKERFILE_INVALID" });
  });

  test("what the image has at that place is not mixed in", async () => {
    await using built = await buildFrom("RUN mkdir /workspace && touch /workspace/from-image\n");
    const { job, image } = built;
    const workspace = await workspaceOf(job, image, { "pushed.txt": "x" });

    const { output } = await runToEnd(
      engine,
      job.spec("step", ["ls", "/workspace"], {
        image,
        volumes: { [workspace.volumeFor("step")]: "/workspace" },
      }),
    );

    expect(output).toBe("pushed.txt\n");
  });

  test("made again by the same attempt it has only the new files", async () => {
    const { job, image } = await newJob();
    await using _job = job;
    await workspaceOf(job, image, { "old.txt": "old" });
    await engine.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);

    const workspace = await workspaceOf(job, image, { "new.txt": "new" });

    const volumes = { [workspace.volumeFor("step")]: "/workspace" };
    const { container } = await runToEnd(engine, job.spec("step", ["true"], { volumes }));
    expect(await filesAt(container, "/workspace")).toEqual({ "workspace/new.txt": "new" });
  });

  test("a tree that cannot be read to its end fails as itself", async () => {
    const { job, image } = await newJob();
    await using _job = job;
    const broken = new Error("git ended with 128");
    const tree = () => new Readable({ read: (): void => void tree1.destroy(broken) });
    const tree1 = tree();

    const making = engine.createWorkspace(
      { owner: job.owner("workspace"), image, steps: ["step"], tree: () => tree1 },
      never,
    );

    await expect(making).rejects.toBe(broken);
  });

  test("volumes of the image's own go with the container", async () => {
    const before = await volumeCount();
    await using built = await buildFrom("VOLUME /data\n");
    const { container } = await runToEnd(
      engine,
      built.job.spec("step", ["true"], { image: built.image }),
    );

    await container.remove(never);

    expect(await volumeCount()).toBe(before);
  });

  /** Volumes without labels; those of other tests have them. */
  async function volumeCount() {
    const { Volumes: volumes } = await docker.listVolumes();
    return volumes.filter(({ Labels: labels }) => !labels).length;
  }
});

describe("building an image", () => {
  const build = async (dockerfile: string, changes: Partial<BuildImageOptions> = {}) => {
    const { job } = await newJob();
    await using _job = job;
    const output = collector();
    const options = buildOptions(job, tarOf({ Dockerfile: dockerfile }), output.take);
    const built = await engine.buildImage({ ...options, ...changes }, never);
    if (built.kind === "built") await removeImage(engine, built.image);
    return { built, output: output.text() };
  };

  test("a line that cannot be parsed is named by its number", async () => {
    await expect(build(`FROM ${BASE_IMAGE}\n\nRUNN true\n`)).rejects.toMatchObject({
      code: "DOCKERFILE_INVALID",
      file: "Dockerfile",
      line: 3,
    });
  });

  test("what only BuildKit can is named as that", async () => {
    const needed = { code: "DOCKERFILE_NEEDS_BUILDKIT" };
    const lines = ["RUN --mount=type=cache,target=/c true", "COPY --link Dockerfile /d"];

    for (const line of lines) {
      await expect(build(`FROM ${BASE_IMAGE}\n${line}\n`)).rejects.toMatchObject(needed);
    }
    const heredoc = `FROM ${BASE_IMAGE}\nRUN <<EOF\necho a\nEOF\n`;
    await expect(build(heredoc)).rejects.toMatchObject({ ...needed, line: 2 });
  });

  test("no Dockerfile, and an empty one, are the user's faults", async () => {
    const invalid = { code: "DOCKERFILE_INVALID" };

    await expect(build("")).rejects.toMatchObject(invalid);
    await expect(build("FROM scratch\n", { dockerfile: "no/such" })).rejects.toMatchObject(invalid);
  });

  test("a file that COPY does not find is a failure without an exit code", async () => {
    const { built } = await build(`FROM ${BASE_IMAGE}\nCOPY missing.txt /\n`);

    expect(built).toMatchObject({
      kind: "failed",
      exitCode: null,
      instruction: "COPY missing.txt /",
      message: expect.stringContaining("missing.txt"),
    });
  });

  test("a name that cannot be an image is the user's, a registry that is away is not", async () => {
    const unknown = { name: "UserFault", code: "IMAGE_UNKNOWN" };
    const away = { name: "InfraFault", code: "IMAGE_UNAVAILABLE" };
    const image = "registry.invalid/no/such:1";

    await expect(build("FROM Not-A-Name:1\n")).rejects.toMatchObject(unknown);
    await expect(build(`FROM ${image}\n`)).rejects.toMatchObject(away);
    const copy = `FROM ${BASE_IMAGE}\nCOPY --from=${image} /a /b\n`;
    await expect(build(copy)).rejects.toMatchObject(away);
    await expect(engine.findImage("Not A Name", never)).rejects.toMatchObject(unknown);
    await expect(engine.findImage(image, never)).rejects.toMatchObject(away);
  });

  test("the memory limit bites inside a build", async () => {
    const { built } = await build(`FROM ${BASE_IMAGE}\nRUN tail /dev/zero\n`);

    expect(built).toMatchObject({ kind: "failed", exitCode: 137 });
  });

  test("a build over its time is ended, and its container removed", async () => {
    const before = await unlabelledContainers();

    const { built } = await build(`FROM ${BASE_IMAGE}\nRUN echo begun; sleep 600\n`, {
      timeoutMs: 1_500,
    });

    expect(built).toEqual({ kind: "over-time" });
    await until(unlabelledContainers, before);
  });

  test("an abort ends a build with its reason", async () => {
    const { job } = await newJob();
    await using _job = job;
    const stop = new AbortController();
    const context = tarOf({ Dockerfile: `FROM ${BASE_IMAGE}\nRUN echo be""gun; sleep 600\n` });
    const onOutput = (chunk: Buffer) => {
      if (chunk.toString() === "begun\n") stop.abort(new Stopped("cancelled"));
    };

    const building = engine.buildImage(buildOptions(job, context, onOutput), stop.signal);

    await expect(building).rejects.toEqual(new Stopped("cancelled"));
  });

  test("a context that cannot be read to its end fails as itself", async () => {
    const { job } = await newJob();
    await using _job = job;
    const broken = new Error("git ended with 128");
    const context: Readable = new Readable({ read: () => void context.destroy(broken) });

    const building = engine.buildImage(buildOptions(job, context), never);

    await expect(building).rejects.toBe(broken);
  });

  async function unlabelledContainers() {
    const containers = await docker.listContainers({ all: true });
    return containers.filter(({ Command: command }) => command.includes("sleep 600")).length;
  }
});

describe("leftovers", () => {
  test("a build's container without labels is known by its cgroup, a foreign one is not", async () => {
    const create = (cgroup: string) =>
      docker.createContainer({
        Image: BASE_IMAGE,
        Cmd: ["true"],
        HostConfig: { CgroupParent: cgroup, NetworkMode: "none" },
      });
    const ours = await create("/tatara/killed-worker");
    const foreign = await create("/somebody");
    await using _foreign = { [Symbol.asyncDispose]: () => foreign.remove() };

    const found = (await engine.listLeftovers(never)).filter(
      ({ id }) => id === ours.id || id === foreign.id,
    );
    for (const leftover of found) await engine.removeLeftover(leftover, never);

    expect(found).toMatchObject([
      { kind: "container", id: ours.id, workerId: "killed-worker", jobId: undefined },
    ]);
    await expect(ours.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test("the newest image of a name stays, an older one goes once its time is over", async () => {
    const { job } = await newJob();
    await using _job = job;
    const cacheName = `test/${job.jobId}`;
    const build = async (text: string) => {
      const context = tarOf({
        Dockerfile: `FROM ${BASE_IMAGE}\nLABEL test=${job.jobId}-${text}\n`,
      });
      const built = await engine.buildImage({ ...buildOptions(job, context), cacheName }, never);
      if (built.kind !== "built") throw new Error("The image was not built.");
      return built.image.id;
    };
    const older = await build("older");
    const newer = await build("newer");

    const now = (await engine.listLeftovers(never)).map(({ id }) => id);
    const patient = realEngine({ imageTtlMs: 3_600_000 });
    const later = (await patient.listLeftovers(never)).map(({ id }) => id);
    await removeById(older);
    await removeById(newer);

    expect(now).toContain(older);
    expect(now).not.toContain(newer);
    expect(later).not.toContain(older);
  });

  test("layers of a build that failed are the next one's cache until their time is over", async () => {
    const { job } = await newJob();
    await using _job = job;
    const base = `FROM ${BASE_IMAGE}\nRUN echo ${job.jobId} > /layer\n`;
    const build = (more: string, onOutput: (chunk: Buffer) => void) =>
      engine.buildImage(buildOptions(job, tarOf({ Dockerfile: base + more }), onOutput), never);
    await build("RUN exit 1\n", () => undefined);
    const output = collector();

    await build("RUN exit 2\n", output.take);

    const layer = / ---> Using cache\n ---> ([0-9a-f]{12})\n/.exec(output.text())?.[1];
    const left = await engine.listLeftovers(never);
    const partial = left.find(({ id }) => id === `tatara-partial:${layer}`);
    expect(layer).toBeDefined();
    expect(partial).toMatchObject({ kind: "image" });
    if (partial) await engine.removeLeftover(partial, never);
  });

  async function removeById(id: string) {
    await docker.getImage(id).remove({ force: true });
  }
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

/** A road to the engine that can be cut; with `answer` it leads nowhere. */
async function openRoad(answer?: (socket: Socket) => void) {
  const folder = await mkdtemp(join(tmpdir(), "tatara-road-"));
  const socketPath = join(folder, "s");
  const sockets = new Set<Socket>();
  const sent: Buffer[] = [];
  const server = createServer((near) => {
    sockets.add(near);
    near.on("error", () => undefined).on("data", (chunk) => void sent.push(chunk));
    if (answer) {
      answer(near);
      return;
    }
    const far = connect(SOCKET_PATH);
    sockets.add(far);
    far.on("error", () => undefined);
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => void server.listen(socketPath, resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    socketPath,
    cut,
    sent: () => Buffer.concat(sent).toString(),
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await rm(folder, { recursive: true });
    },
  };
}

function buildOptions(
  job: TestJob,
  context: NodeJS.ReadableStream,
  onOutput: (chunk: Buffer) => void = () => undefined,
): BuildImageOptions {
  return {
    owner: job.owner("image"),
    context,
    dockerfile: "Dockerfile",
    onOutput,
    timeoutMs: 60_000,
  };
}

/** An image of the test base and more lines, gone with its job at the end. */
async function buildFrom(lines: string) {
  const { job } = await newJob();
  const dockerfile = `FROM ${BASE_IMAGE}\n${lines}LABEL test.job=${job.jobId}\n`;
  const built = await engine.buildImage(
    buildOptions(job, tarOf({ Dockerfile: dockerfile })),
    never,
  );
  if (built.kind !== "built") throw new Error(`The image was not built: ${JSON.stringify(built)}`);
  return {
    job,
    image: built.image,
    async [Symbol.asyncDispose]() {
      await job[Symbol.asyncDispose]();
      await removeImage(engine, built.image);
    },
  };
}
