import { describe, expect, test } from "vitest";
import type { ContainerSpec } from "../../workers/build/engine.ts";
import {
  LIMITS,
  buildFrom,
  docker,
  engine,
  never,
  newJob,
  runLine,
  runToEnd,
} from "../support/engine-rig.ts";

const exited = (code: number) => ({ how: "exited", code });

describe("a step's container, seen from inside", () => {
  const bits = async (name: string, changes: Partial<ContainerSpec> = {}) => {
    const { output } = await runLine(`grep ^${name}: /proc/self/status`, changes);
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

    expect(await runLine(line)).toEqual({ end: exited(0), output: "1234\n" });
  });

  test("no core dumps, a bound on open files, killed before the host", async () => {
    const { output } = await runLine("ulimit -c; ulimit -n; cat /proc/self/oom_score_adj");

    expect(output).toBe("0\n16384\n500\n");
  });

  test("no socket of the engine, no device, no file of the host", async () => {
    const { output } = await runLine(
      "ls /var/run/docker.sock /run/docker.sock /dev/kmsg /dev/sda /dev/vda 2>/dev/null; true",
    );

    expect(output).toBe("");
  });

  test("/tmp is a bounded memory file system on which files may be executed", async () => {
    const { output } = await runLine(
      "stat -c %a /tmp; df -m --output=size /tmp | tail -1; cp /bin/true /tmp/t && /tmp/t && echo ok",
    );

    expect(output.split(/\s+/).filter(Boolean)).toEqual(["1777", "512", "ok"]);
  });

  test("without a network there is only the loopback; with the job's there is one more", async () => {
    const { job } = await newJob();
    await using _job = job;
    const network = await engine.createNetwork(job.owner("network"), { egress: "internet" }, never);
    const command = ["sh", "-c", "ls /sys/class/net"];

    const none = await runToEnd(engine, job.spec("none", command));
    const own = await runToEnd(engine, job.spec("own", command, { network }));

    expect(none.output).toBe("lo\n");
    expect(own.output).toBe("eth0\nlo\n");
  });

  test("processes are bounded, and the step's failure is its own", async () => {
    const limits = { ...LIMITS, pids: 32 };
    const line = "for i in $(seq 100); do sleep 30 & done; wait";

    const { end, output } = await runLine(line, { limits });

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
