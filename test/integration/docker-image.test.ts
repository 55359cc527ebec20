import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import type { BuildImageOptions, Engine } from "../../workers/build/engine.ts";
import { safe } from "../../workers/build/docker/names.ts";
import {
  BASE_IMAGE,
  buildOptions,
  collector,
  docker,
  engine,
  never,
  newJob,
  onceSaid,
  openRoad,
  realEngine,
  removeImage,
  tarOf,
  withAnotherTry,
} from "../support/engine-rig.ts";
import { aRegistryThatHangs } from "../support/hanging-registry.ts";
import { until } from "../support/until.ts";

describe("building an image", () => {
  const build = async (dockerfile: string, changes: Partial<BuildImageOptions> = {}) => {
    const { job } = await newJob();
    await using _job = job;
    const output = collector();
    const built = await withAnotherTry(() => {
      const options = buildOptions(job, tarOf({ Dockerfile: dockerfile }), output.take);
      return engine.buildImage({ ...options, ...changes }, never);
    });
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

  test("what no builder of this engine can is named as that", async () => {
    const needed = { code: "DOCKERFILE_NEEDS_BUILDKIT" };

    const link = `FROM ${BASE_IMAGE}\nCOPY --link Dockerfile /d\n`;
    await expect(build(link)).rejects.toMatchObject(needed);
    const heredoc = `FROM ${BASE_IMAGE}\nRUN <<EOF\necho a\nEOF\n`;
    await expect(build(heredoc)).rejects.toMatchObject({ ...needed, line: 2 });
  });

  test("a stage, arguments, and how many instructions were answered from before", async () => {
    const { job } = await newJob();
    await using _job = job;
    const dockerfile = [
      `FROM ${BASE_IMAGE} AS wanted`,
      "ARG COLOUR",
      `RUN echo the $COLOUR ${job.jobId}`,
      `FROM ${BASE_IMAGE} AS last`,
      "RUN exit 1",
    ].join("\n");
    const changes = { stage: "wanted", args: { COLOUR: "blue" } };

    const first = await build(dockerfile, changes);
    const fresh = await build(dockerfile, { ...changes, isFresh: true });

    expect(first.output).toContain(`the blue ${job.jobId}\n`);
    expect(first.built).toMatchObject({ kind: "built", layers: { reused: 0, total: 2 } });
    expect(fresh.built).toMatchObject({ kind: "built", layers: { reused: 0, total: 2 } });
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

  test("a registry that never answers is to blame for a pull over its time, and not the engine", async () => {
    await using registry = await aRegistryThatHangs();
    const patient = realEngine({ pullMs: 1_500 });
    const image = `${registry.host}/acme/base:1`;

    const wanted = { name: "InfraFault", code: "IMAGE_UNAVAILABLE" };
    const pulled = patient.findImage(image, never);
    await expect(pulled).rejects.toMatchObject(wanted);
    await expect(pulled).rejects.toThrow(
      /did not deliver it within 1.5 s: see how far `docker pull/,
    );
    await expect(pulled).rejects.toThrow(`Image "${image}" could not be had`);
    expect(registry.asked()).toContain("/v2/acme/base/manifests/1");
  });

  test("an engine that stops answering during a pull is to blame for it", async () => {
    let calls = 0;
    await using road = await openRoad((socket) => void ((calls += 1) > 1 && socket.destroy()));
    const deaf = realEngine({ socketPath: road.socketPath, pullMs: 500 });

    const pulled = deaf.findImage("acme/base:1", never, { pull: "always" });

    await expect(pulled).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    expect(calls).toBe(2);
  });

  test("an image's folder is known, and its digest changes with what is in it alone", async () => {
    const { job } = await newJob();
    await using _job = job;
    const imageOf = async (lines: string) => {
      const dockerfile = `FROM ${BASE_IMAGE}\n${lines}`;
      const options = buildOptions(job, tarOf({ Dockerfile: dockerfile }));
      const built = await engine.buildImage({ ...options, isFresh: true }, never);
      if (built.kind !== "built") throw new Error(JSON.stringify(built));
      await removeImage(engine, built.image);
      return built.image;
    };

    const plain = await imageOf("LABEL a=1\n");
    const same = await imageOf("LABEL a=2\n");
    const other = await imageOf("WORKDIR /srv\n");

    expect(plain.workingDir).toBe("/");
    expect(other.workingDir).toBe("/srv");
    expect(same.id).not.toBe(plain.id);
    expect(same.digest).toBe(plain.digest);
    expect(other.digest).not.toBe(plain.digest);
  });

  test("an image that is always asked for is not taken from the engine; an id is no name", async () => {
    const always = { pull: "always" } as const;
    const here = await engine.findImage(BASE_IMAGE, never);

    expect(await engine.findImage(here.id, never, always)).toEqual(here);
    await expect(engine.findImage("registry.invalid/a:1", never, always)).rejects.toMatchObject({
      code: "IMAGE_UNAVAILABLE",
    });
  });

  test("the memory limit bites inside a build", async () => {
    const { built } = await build(`FROM ${BASE_IMAGE}\nRUN tail /dev/zero\n`);

    expect(built).toMatchObject({ kind: "failed", exitCode: 137 });
  });

  test("a build over its time is ended, and its container removed", async () => {
    const { built } = await build(`FROM ${BASE_IMAGE}\nRUN echo begun; sleep 60123\n`, {
      timeoutMs: 1_500,
    });

    expect(built).toEqual({ kind: "over-time" });
    await until(sleepers, 0);
  });

  test("an abort ends a build with its reason", async () => {
    const { job } = await newJob();
    await using _job = job;
    const stop = new AbortController();
    const context = tarOf({ Dockerfile: `FROM ${BASE_IMAGE}\nRUN echo be""gun; sleep 600\n` });
    const onOutput = onceSaid(/^begun$/m, () => stop.abort(new Stopped("cancelled")));

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

  async function sleepers() {
    const containers = await docker.listContainers({ all: true });
    return containers.filter(({ Command: command }) => command.includes("sleep 60123")).length;
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
      const Dockerfile = `FROM ${BASE_IMAGE}\nLABEL test=${job.jobId}-${text}\n`;
      const built = await withAnotherTry(() =>
        engine.buildImage({ ...buildOptions(job, tarOf({ Dockerfile })), cacheName }, never),
      );
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

  test("an image under a name goes too when nobody has built it for so long", async () => {
    const { job } = await newJob();
    await using _job = job;
    const cacheName = `test/${job.jobId}`;
    const tag = `tatara-build:${safe(cacheName)}`;
    const Dockerfile = `FROM ${BASE_IMAGE}\nLABEL test=${job.jobId}\n`;
    await withAnotherTry(() =>
      engine.buildImage({ ...buildOptions(job, tarOf({ Dockerfile })), cacheName }, never),
    );
    const weekMs = 7 * 24 * 3_600_000;
    const at = (ms: number) => realEngine({ imageTtlMs: weekMs, now: () => Date.now() + ms });
    const named = async (found: Engine) =>
      (await found.listLeftovers(never)).filter(({ id }) => id === tag);

    const sooner = await named(at(weekMs - 60_000));
    const later = await named(at(weekMs + 60_000));
    for (const leftover of later) await engine.removeLeftover(leftover, never);

    expect(sooner).toEqual([]);
    expect(later).toMatchObject([{ kind: "image" }]);
    await expect(docker.getImage(tag).inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test("layers of a name are its own: earlier stages and failed builds too, strangers never", async () => {
    const { job } = await newJob();
    await using _job = job;
    const dockerfile = (end: string) =>
      [
        `FROM ${BASE_IMAGE} AS first`,
        `RUN echo ${job.jobId} > /a`,
        `FROM ${BASE_IMAGE}`,
        "COPY --from=first /a /a",
        `RUN echo ${job.jobId} > /b`,
        end,
      ].join("\n");
    const reused = async (end: string, changes: Partial<BuildImageOptions>) => {
      const output = collector();
      await withAnotherTry(() => {
        const context = tarOf({ Dockerfile: dockerfile(end) });
        return engine.buildImage({ ...buildOptions(job, context, output.take), ...changes }, never);
      });
      return output.text().match(/Using cache/g)?.length ?? 0;
    };
    const own = { cacheName: `test/${job.jobId}` };
    const other = { cacheName: `test/${job.jobId} fork-pr` };

    const counts = [
      await reused("RUN exit 1", other),
      await reused("RUN exit 1", own),
      await reused("RUN exit 2", own),
      await reused("RUN true", own),
      await reused("RUN true", own),
      await reused("RUN true", { ...other, isUntrusted: true }),
      await reused("RUN true", { ...own, isFresh: true }),
    ];
    const tags = (await engine.listLeftovers(never)).filter(({ id }) => id.includes(job.jobId));
    for (const leftover of tags) await engine.removeLeftover(leftover, never);

    // Of four instructions: the failed line itself is never there; at last the label is ours.
    expect(counts).toEqual([0, 0, 3, 3, 5, 0, 0]);
    expect(tags.length).toBeGreaterThan(0);
  });

  test("layers of a build that failed are the next one's cache until their time is over", async () => {
    const { job } = await newJob();
    await using _job = job;
    const base = `FROM ${BASE_IMAGE}\nRUN echo ${job.jobId} > /layer\n`;
    const build = (more: string, onOutput: (chunk: Buffer) => void) =>
      withAnotherTry(() =>
        engine.buildImage(buildOptions(job, tarOf({ Dockerfile: base + more }), onOutput), never),
      );
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
