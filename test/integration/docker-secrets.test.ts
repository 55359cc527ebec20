import { describe, expect, test } from "vitest";
import {
  LIMITS,
  MIB,
  docker,
  engine,
  never,
  newJob,
  runLine,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";

const VALUE = "-----BEGIN-----\n  två  \\n 'quoted' \"x\" $HOME `id`\r\n\nlast";

describe("a step's secrets", () => {
  const secrets = [
    { name: "KEY", value: VALUE },
    { name: "TOKEN", value: "hunter2-hunter2", isEnv: true },
    { name: "EMPTY", value: "" },
    { name: "ENDS", value: "a\n\n" },
  ];

  test("are files as they were given, whatever is in them", async () => {
    const line =
      "cd /run/secrets; od -An -tx1 -v -w999 KEY; od -An -tx1 -w999 ENDS; stat -c '%n %a %s' *";

    const { output } = await runLine(line, { secrets });

    const [key, ends] = output.split("\n");
    const textOf = (hex = "") => Buffer.from(hex.replaceAll(" ", ""), "hex").toString();
    expect(textOf(key)).toBe(VALUE);
    expect(textOf(ends)).toBe("a\n\n");
    expect(output).toContain("EMPTY 600 0\nENDS 600 3\n");
  });

  test("are readable by a step's own user too, and a variable where it was asked for", async () => {
    const line = 'cat /run/secrets/TOKEN; echo " $TOKEN $KEY."; id -u; env | grep -c tatara_';

    const { output } = await runLine(line, { secrets, user: "1000:1000" });

    expect(output).toBe("hunter2-hunter2 hunter2-hunter2 .\n1000\n0\n");
  });

  test("are in nothing that the engine stores or shows", async () => {
    const { job } = await newJob();
    await using _job = job;
    const { container, output } = await runToEnd(
      engine,
      job.spec("step", ["sh", "-c", "wc -c </run/secrets/TOKEN"], { secrets }),
    );

    const seen = docker.getContainer(container.id);
    const logs = await seen.logs({ stdout: true, stderr: true });

    expect(output).toBe("15\n");
    expect(JSON.stringify(await seen.inspect())).not.toContain("hunter2");
    expect(logs.toString()).not.toContain("hunter2");
    expect(await container.getArchive("/run/secrets/TOKEN", never)).toBeUndefined();
  });

  test("without any, the folder is not there", async () => {
    const { output } = await runLine("ls /run/secrets 2>/dev/null; echo $?");

    expect(output).toBe("2\n");
  });
});

describe("what a step used", () => {
  test("its highest memory is known at the end, and is no part of its output", async () => {
    const { job } = await newJob();
    await using _job = job;
    const line = "perl -e '$x = q(x) x (60 * 1024 * 1024)'; echo done; echo err >&2";
    const { container, output } = await runToEnd(engine, job.spec("step", ["sh", "-c", line]));

    expect(output).toBe("done\nerr\n");
    expect(container.memoryPeakBytes()).toBeGreaterThan(60 * MIB);
    expect(container.memoryPeakBytes()).toBeLessThan(LIMITS.memoryBytes);
  });

  test("a step that fills its own layer is stopped", async () => {
    const limits = { ...LIMITS, diskBytes: 64 * MIB };
    // It may be stopped before dd has ended.
    const line = "echo begun; dd if=/dev/zero of=/big bs=1M count=100 status=none; exec sleep 600";

    const { end, output } = await runLine(line, { limits });

    expect(end).toEqual({ how: "over-disk" });
    expect(output).toMatch(/^begun\n/);
  });

  test("a step that fills its workspace is stopped, one that stays below is not", async () => {
    const { job, image } = await newJob();
    await using _job = job;
    const workspace = await engine.createWorkspace(
      { owner: job.owner("workspace"), image, steps: ["big", "small"], tree: () => tarOf({}) },
      never,
    );
    const run = async (step: string, line: string) => {
      const volumes = { [workspace.volumeFor(step)]: "/workspace" };
      const limits = { ...LIMITS, diskBytes: 64 * MIB };
      return runToEnd(engine, job.spec(step, ["sh", "-c", line], { volumes, limits }));
    };
    const fill = (count: number) =>
      `dd if=/dev/zero of=/workspace/f bs=1M count=${count} status=none`;

    const [big, small] = await Promise.all([
      run("big", `${fill(100)}; exec sleep 600`),
      run("small", `${fill(50)}; sleep 5`),
    ]);

    expect(big.end).toEqual({ how: "over-disk" });
    expect(small.end).toEqual({ how: "exited", code: 0 });
  });
});
