import { describe, expect, test } from "vitest";
import {
  docker,
  engine,
  never,
  newJob,
  realEngine,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";
import type { ContainerSpec, ShellSession } from "../../workers/build/engine.ts";
import { until } from "../support/until.ts";

const MINUTE_MS = 60_000;

/** A step that failed and was kept, its job over; gone at the end, whatever the test did. */
async function newKept(changes: Partial<ContainerSpec> = {}) {
  const { job, image } = await newJob();
  const workspace = await engine.createWorkspace(
    {
      owner: job.owner("workspace"),
      image,
      steps: ["unit", "other"],
      tree: (by) => tarOf({ "hello.txt": "pushed\n" }, by),
    },
    never,
  );
  const line = "echo changed >> hello.txt; mkdir -p /made; echo here > /made/file; exit 1";
  const { container } = await runToEnd(
    engine,
    job.spec("unit", ["sh", "-c", line], {
      volumes: { [workspace.volumeFor("unit")]: "/workspace" },
      workingDir: "/workspace",
      env: { COLOUR: "blue" },
      secrets: [{ name: "TOKEN", value: "hunter2-hunter2", isEnv: true }],
      ...changes,
    }),
  );
  const at = Date.now() + 30 * MINUTE_MS;
  await container.keepUntil(at, never);
  await engine.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);
  const later = realEngine({ now: () => Date.now() + 24 * 60 * MINUTE_MS });
  return {
    job,
    container,
    at,
    /** The same engine, a day later. */
    later,
    find: () => engine.findKept({ jobId: job.jobId, attempt: 1, step: "unit" }, never),
    leftoversLater: async () =>
      (await later.listLeftovers(never)).filter(({ jobId }) => jobId === job.jobId),
    async [Symbol.asyncDispose]() {
      await later.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);
      await job[Symbol.asyncDispose]();
    },
  };
}

/** Types lines into a shell and waits for what they print. */
function drive(session: ShellSession) {
  let said = "";
  session.output.on("data", (chunk: Buffer) => void (said += chunk.toString()));
  return {
    say: (line: string) => void session.input.write(`${line}\r`),
    heard: async (pattern: RegExp) => {
      await until(() => pattern.test(said), true, { deadlineMs: 60_000 });
      return said;
    },
  };
}

const SIZE = { columns: 101, rows: 37 };

describe("a kept container", () => {
  test("that its worker never came for goes with its volumes, whoever removes it", async () => {
    await using kept = await newKept();
    const [container] = (await kept.leftoversLater()).filter(({ kind }) => kind === "container");
    expect(container).toMatchObject({ isOver: true });

    if (container !== undefined) await kept.later.removeLeftover(container, never);

    expect(await kept.leftoversLater()).toEqual([]);
  });

  test("is no leftover until its time is over, then it goes with its volumes", async () => {
    await using kept = await newKept();

    expect(await kept.job.leftovers()).toEqual([]);
    expect(await kept.find()).toMatchObject({ id: kept.container.id });
    const later = await kept.leftoversLater();
    expect(new Set(later.map(({ kind }) => kind))).toEqual(new Set(["container", "volume"]));
    for (const kind of ["container", "volume"]) {
      for (const found of later.filter((one) => one.kind === kind)) {
        await kept.later.removeLeftover(found, never);
      }
    }
    expect(await kept.leftoversLater()).toEqual([]);
    expect(await kept.find()).toBeUndefined();
  });

  test("of another step or attempt is not found", async () => {
    await using kept = await newKept();
    const { jobId } = kept.job;

    expect(await engine.findKept({ jobId, attempt: 2, step: "unit" }, never)).toBeUndefined();
    expect(await engine.findKept({ jobId, attempt: 1, step: "other" }, never)).toBeUndefined();
  });

  test("still runs when it is kept: it is stopped first", async () => {
    const { job } = await newJob();
    await using _job = job;
    const container = await engine.createContainer(job.spec("unit", ["sleep", "600"]), never);
    await container.start(() => undefined, never);

    await container.keepUntil(Date.now() + MINUTE_MS, never);

    const { State: state } = await docker.getContainer(container.id).inspect();
    expect(state.Running).toBe(false);
    await realEngine({ now: () => Date.now() + 2 * MINUTE_MS }).removeAllOf(
      { jobId: job.jobId, attempt: 1 },
      never,
    );
  });
});

describe("a shell in it", () => {
  test("has the files, folder, environment and terminal of the step, and no secret", async () => {
    await using kept = await newKept();
    const found = await kept.find();
    const session = await found?.openShell(SIZE, never);
    if (!session) throw new Error("Not found.");
    const { say, heard } = drive(session);

    say("stty size; tty -s && echo TTY; cat hello.txt /made/file; echo [$COLOUR$TOKEN]; pwd");
    say("ls /run/secrets/TOKEN; ls /sys/class/net; echo E''ND");
    const said = await heard(/END/);
    await session.resize({ columns: 80, rows: 24 });
    say("stty size; exit 7");
    await heard(/24 80/);

    expect(said).toMatch(/37 101\r\nTTY\r\npushed\r\nchanged\r\nhere\r\n\[blue\]\r\n\/workspace/);
    expect(said).not.toContain("hunter2");
    expect(said).toMatch(/TOKEN': No such file/);
    expect(said).toMatch(/\r\nlo\r\nEND/);
    expect(await session.ended()).toBe(7);
    await session.close();
  });

  test("has a network of the same kind if the step had one, and leaves nothing when closed", async () => {
    const { job } = await newJob();
    await using _job = job;
    const network = await engine.createNetwork(job.owner("network"), { egress: "internet" }, never);
    await using kept = await newKept({ network });
    const session = await (await kept.find())?.openShell(SIZE, never);
    if (!session) throw new Error("Not found.");
    const { say, heard } = drive(session);

    say("ls /sys/class/net; echo E''ND");
    const said = await heard(/END/);
    const during = await kept.job.leftovers();
    const imagesDuring = await keptImages(kept.job.jobId);
    await session.close();

    expect(said).toContain("eth0");
    expect(during).toEqual([]);
    expect(imagesDuring).toHaveLength(1);
    expect(await keptImages(kept.job.jobId)).toEqual([]);
    expect((await kept.leftoversLater()).filter(({ kind }) => kind !== "volume")).toHaveLength(1);
    expect(await kept.find()).toBeDefined();
  });

  test("can be opened again, and sees what the step left, not what a shell did to its layer", async () => {
    await using kept = await newKept();
    for (const round of [1, 2]) {
      const session = await (await kept.find())?.openShell(SIZE, never);
      if (!session) throw new Error("Not found.");
      const { say, heard } = drive(session);
      say(`ls /made; touch /made/shell-${round}; echo E''ND`);
      const said = await heard(/END/);
      await session.close();
      expect(said).not.toMatch(/\r\nfile\s+shell-1/);
    }
  });

  /** Others open shells on this engine too. */
  async function keptImages(jobId: string) {
    const images = await docker.listImages({
      filters: JSON.stringify({ reference: ["tatara-kept"] }),
    });
    const tags = images.flatMap(({ RepoTags }) => RepoTags ?? []);
    return tags.filter((tag) => tag.includes(jobId));
  }
});
