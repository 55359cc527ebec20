import { readFile, readdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import type { BuildImageOptions } from "../../workers/build/engine.ts";
import {
  BASE_IMAGE,
  buildOptions,
  collector,
  docker,
  engine,
  never,
  newJob,
  onceSaid,
  removeImage,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";
import { aRegistryThatHangs } from "../support/hanging-registry.ts";
import { until } from "../support/until.ts";

/** Makes any Dockerfile one that only BuildKit can build. */
const MOUNT = "--mount=type=tmpfs,target=/nothing";

async function build(lines: string, changes: Partial<BuildImageOptions> = {}, files = {}) {
  const { job } = await newJob();
  await using _job = job;
  const output = collector();
  const context = tarOf({ Dockerfile: `FROM ${BASE_IMAGE}\n${lines}`, ...files });
  const options = buildOptions(job, context, output.take);
  const built = await engine.buildImage({ ...options, ...changes }, never);
  return { built, output: output.text(), job };
}

/** A build whose image is looked into by one line of shell, and removed. */
async function lookInto(lines: string, line: string, changes: Partial<BuildImageOptions> = {}) {
  const { built, output } = await build(lines, changes);
  if (built.kind !== "built") throw new Error(JSON.stringify(built));
  const { job } = await newJob();
  await using _job = job;
  const spec = job.spec("look", ["sh", "-c", line], { image: built.image });
  const seen = await runToEnd(engine, spec);
  await job[Symbol.asyncDispose]();
  await docker.getImage(built.image.id).remove({ force: true });
  return { seen: seen.output, layers: built.layers, output };
}

async function processes(pattern: RegExp): Promise<number> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = ids.map((id) => readFile(`/proc/${id}/cmdline`, "utf8").catch(() => ""));
  return (await Promise.all(lines)).filter((line) => pattern.test(line.replaceAll("\0", " ")))
    .length;
}

/** No build of ours runs, so what others may use is unlimited again (or there is no such file). */
async function limitIsLifted(): Promise<boolean> {
  const v1 = "/sys/fs/cgroup/memory/docker/buildkit/memory.limit_in_bytes";
  const text = await readFile(v1, "utf8").catch(() => "max");
  return text.startsWith("max") || Number(text) > 2 ** 60;
}

describe("a Dockerfile that needs BuildKit", () => {
  test("is told apart by the engine's own facts", async () => {
    expect(await engine.ping(never)).toMatchObject({ hasBuildKit: true });
  });

  test("is built, with stage, arguments and its output in the classic builder's words", async () => {
    const lines = [
      "RUN touch /first",
      `FROM ${BASE_IMAGE} AS wanted`,
      "ARG COLOUR",
      `RUN ${MOUNT} echo "colour $COLOUR" | tee /colour`,
      `FROM ${BASE_IMAGE} AS last`,
      "RUN touch /never",
    ];
    const { seen, output } = await lookInto(`${lines.join("\n")}\n`, "cat /colour; ls /never", {
      stage: "wanted",
      args: { COLOUR: "blue" },
      isFresh: true,
    });

    expect(seen).toMatch(/^colour blue\nls: /);
    expect(output).toContain(`Step 2/2 (wanted) : RUN ${MOUNT} echo`);
    expect(output).toContain("\ncolour blue\n");
  });

  test("COPY --chmod works", async () => {
    const { built } = await build("COPY --chmod=751 a.sh /a.sh\n", {}, { "a.sh": "x" });

    expect(built).toMatchObject({ kind: "built" });
    if (built.kind === "built") await removeImage(engine, built.image);
  });

  test("a line that fails is named, with its exit code and its output", async () => {
    const { built, output } = await build(
      `RUN ${MOUNT} true\nRUN echo last words && \\\n  exit 7\n`,
      { isFresh: true },
    );

    expect(built).toMatchObject({ kind: "failed", exitCode: 7 });
    expect(built).toMatchObject({
      instruction: expect.stringMatching(/^RUN echo last words && +exit 7$/),
    });
    expect(output).toMatch(/Step 3\/3 : RUN echo last words[^]*\nlast words\n/);
  });

  test("a file that COPY does not find is a failure without an exit code", async () => {
    const { built } = await build(`RUN ${MOUNT} true\nCOPY missing.txt /\n`);

    expect(built).toMatchObject({
      kind: "failed",
      exitCode: null,
      instruction: "COPY missing.txt /",
      message: expect.stringContaining("missing.txt"),
    });
  });

  test("what cannot be read, or not by this engine, is the user's fault with its line", async () => {
    await expect(build(`RUN ${MOUNT} true\nRUNN true\n`)).rejects.toMatchObject({
      code: "DOCKERFILE_INVALID",
      line: 3,
    });
    await expect(build("RUN <<EOF\necho a\nEOF\n")).rejects.toMatchObject({
      code: "DOCKERFILE_NEEDS_BUILDKIT",
      line: 2,
    });
    await expect(build("COPY --link Dockerfile /d\n")).rejects.toMatchObject({
      code: "DOCKERFILE_NEEDS_BUILDKIT",
    });
  });

  test("a parser from elsewhere is refused, and is a comment where nothing needs it", async () => {
    const { job } = await newJob();
    await using _job = job;
    const of = (lines: string) =>
      engine.buildImage(
        buildOptions(
          job,
          tarOf({ Dockerfile: `# syntax=docker/dockerfile:1\nFROM ${BASE_IMAGE}\n${lines}` }),
        ),
        never,
      );

    await expect(of(`RUN ${MOUNT} true\n`)).rejects.toMatchObject({
      code: "DOCKERFILE_NEEDS_BUILDKIT",
      line: 1,
    });
    const plain = await of("LABEL a=b\n");
    expect(plain).toMatchObject({ kind: "built" });
    if (plain.kind === "built") await removeImage(engine, plain.image);
  });

  test("an image that no registry knows, or that is away, is told apart", async () => {
    const { job } = await newJob();
    await using _job = job;
    const from = (image: string) =>
      engine.buildImage(
        buildOptions(job, tarOf({ Dockerfile: `FROM ${image}\nRUN ${MOUNT} true\n` })),
        never,
      );

    await expect(from("registry.invalid/no/such:1")).rejects.toMatchObject({
      name: "InfraFault",
      code: "IMAGE_UNAVAILABLE",
    });
  });

  test("time that went into waiting for a registry is not the user's", async () => {
    await using registry = await aRegistryThatHangs();
    const { job } = await newJob();
    await using _job = job;
    const image = `${registry.host}/acme/base:1`;
    const Dockerfile = `FROM ${image}\nRUN ${MOUNT} true\n`;

    const options = { ...buildOptions(job, tarOf({ Dockerfile })), timeoutMs: 3_000 };
    const building = engine.buildImage(options, never);

    await expect(building).rejects.toMatchObject({
      name: "InfraFault",
      code: "IMAGE_UNAVAILABLE",
      message: `The image "${image}" did not arrive in time.`,
    });
  });

  test("over its time, and on an abort, nothing goes on running", async () => {
    const { built } = await build(`RUN ${MOUNT} sleep 60234\n`, { timeoutMs: 3_000 });
    expect(built).toEqual({ kind: "over-time" });
    await until(() => processes(/sleep 60234/), 0);

    const { job } = await newJob();
    await using _job = job;
    const stop = new AbortController();
    const context = tarOf({
      Dockerfile: `FROM ${BASE_IMAGE}\nRUN ${MOUNT} echo be""gun ${job.jobId}; sleep 60345\n`,
    });
    const onOutput = onceSaid(/^begun /m, () => stop.abort(new Stopped("cancelled")));
    const building = engine.buildImage(buildOptions(job, context, onOutput), stop.signal);
    await expect(building).rejects.toEqual(new Stopped("cancelled"));
    await until(() => processes(/sleep 60345/), 0);
  });

  test("the memory limit bites", async () => {
    const eats = "perl -e '$x = q(x) x (400 * 1024 * 1024)'";
    const { built } = await build(`RUN ${MOUNT} ${eats}\n`);

    expect(built).toMatchObject({ kind: "failed", exitCode: 137 });
    // Others build on the engine too, so the limit goes with the last build of ours.
    await until(limitIsLifted, true);
  });

  test("secrets are mounted, and in no layer, history or label of the image", async () => {
    const secrets = [{ name: "TOKEN", value: "hunter2\nhunter3 två" }];
    const line = `RUN --mount=type=secret,id=TOKEN wc -c < /run/secrets/TOKEN | tee /size\n`;
    const { built } = await build(line, { secrets, isFresh: true });
    if (built.kind !== "built") throw new Error(JSON.stringify(built));
    const image = docker.getImage(built.image.id);
    const seen = JSON.stringify([await image.inspect(), await image.history()]);
    const { job } = await newJob();
    await using _job = job;
    const look = await runToEnd(
      engine,
      job.spec(
        "look",
        ["sh", "-c", "cat /size; ls /run/secrets 2>/dev/null; grep -rl hunter /run /etc"],
        {
          image: built.image,
        },
      ),
    );
    await job[Symbol.asyncDispose]();
    await removeImage(engine, built.image);

    expect(seen).not.toContain("hunter");
    expect(look.output).toBe("20\n");
  });

  test("a secret is still given ten seconds into a build", async () => {
    const secrets = [{ name: "TOKEN", value: "late" }];
    const lines = `RUN sleep 11\nRUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN\n`;

    const { built, output } = await build(lines, { secrets, isFresh: true });

    expect(built).toMatchObject({ kind: "built" });
    expect(output).toMatch(/^late/m);
    if (built.kind === "built") await removeImage(engine, built.image);
  });

  test("cache mounts are kept per name, and a fresh or untrusted build has its own", async () => {
    const { job } = await newJob();
    await using _job = job;
    const name = `acme/${job.jobId}`;
    let round = 0;
    const seenBy = async (cacheName: string, more: Partial<BuildImageOptions> = {}) => {
      round += 1;
      const line = `RUN --mount=type=cache,id=c,target=/c echo ${round} >> /c/log; cat /c/log > /seen\n`;
      const changes = { cacheName, ...more };
      return (await lookInto(line, "tr '\\n' ' ' < /seen", changes)).seen;
    };

    expect(await seenBy(name)).toBe("1 ");
    expect(await seenBy(name)).toBe("1 2 ");
    expect(await seenBy(`${name} internal-pr`)).toBe("3 ");
    expect(await seenBy(name, { isUntrusted: true })).toBe("4 ");
    expect(await seenBy(name, { isFresh: true })).toBe("5 ");
    expect(await seenBy(name, { args: { BUILDKIT_CACHE_MOUNT_NS: "x" } })).toBe("1 2 6 ");
  });

  test("layers are reused by the next build, never from an untrusted one", async () => {
    const { job } = await newJob();
    await using _job = job;
    const lines = `RUN ${MOUNT} echo ${job.jobId} > /id; od -An -N8 -tx8 /dev/urandom > /once\nRUN true\n`;
    const once = (changes: Partial<BuildImageOptions> = {}) =>
      lookInto(lines, "cat /once", { cacheName: `acme/${job.jobId}`, ...changes });

    const stranger = await once({ isUntrusted: true });
    const first = await once();
    const second = await once();
    const fresh = await once({ isFresh: true });

    expect(stranger.layers).toEqual({ reused: 0, total: 2 });
    expect(first.layers).toEqual({ reused: 0, total: 2 });
    expect(second).toMatchObject({ seen: first.seen, layers: { reused: 2, total: 2 } });
    expect(fresh.layers).toEqual({ reused: 0, total: 2 });
    expect(new Set([stranger.seen, first.seen, fresh.seen]).size).toBe(3);
  });
});
