import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, test } from "vitest";
import type { Egress, Engine } from "../../workers/build/engine.ts";
import {
  BASE_IMAGE,
  buildOptions,
  collector,
  docker,
  engine,
  never,
  newJob,
  realEngine,
  removeImage,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";

/** A service of the host that listens on every address it has. */
async function openHost() {
  const server = createServer((socket) => {
    // Who only tried the port may be gone before the answer.
    socket.on("error", () => undefined).end("host\n");
  });
  await new Promise<void>((resolve) => void server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

/** Without those of the engine's own networks: other jobs' come and go. */
function hostAddresses(): string[] {
  const lasting = Object.entries(networkInterfaces()).filter(([name]) => !name.startsWith("br-"));
  const all = lasting.flatMap(([, found]) => found ?? []);
  return all.flatMap((found) => (found.family === "IPv4" && !found.internal ? found.address : []));
}

/** Tries each `host:port` and prints those that answered. */
function tryAll(targets: readonly string[]): string[] {
  const script =
    "use IO::Socket::INET; for (@ARGV) { print qq($_\\n) if IO::Socket::INET->new(PeerAddr=>$_,Timeout=>2) }";
  return ["perl", "-e", script, ...targets];
}

async function reachedFrom(egress: Egress, targets: readonly string[], from: Engine = engine) {
  const { job } = await newJob();
  await using _job = job;
  const network = await from.createNetwork(job.owner("network"), { egress }, never);
  // The bridge's own first address is where the host would be.
  const { IPAM: ipam } = await docker.getNetwork(network.id).inspect();
  const gateway = ipam?.Config?.[0]?.Gateway ?? "";
  const port = targets[0]?.split(":")[1] ?? "80";
  const command = tryAll([...targets, `${gateway}:${port}`]);
  const { output } = await runToEnd(from, job.spec("step", command, { network }));
  return { network, reached: output.split("\n").filter(Boolean) };
}

describe("egress", () => {
  test("an open network reaches the host's addresses: the probe below can see them", async () => {
    await using host = await openHost();
    const targets = hostAddresses().map((address) => `${address}:${host.port}`);

    const { reached, network } = await reachedFrom("internet", targets);

    expect(reached).toContain(targets[0]);
    expect(network.gateway).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  });

  for (const egress of ["none", "mirrors"] as const) {
    test(`a network with egress ${egress} reaches neither host nor anything beyond`, async () => {
      await using host = await openHost();
      const targets = hostAddresses().map((address) => `${address}:${host.port}`);

      const { reached, network } = await reachedFrom(egress, [...targets, "1.1.1.1:443"]);

      expect(reached).toEqual([]);
      expect(network).toMatchObject({ egress, gateway: null, proxy: null });
    });
  }

  test("names are not carried out by the engine's resolver", async () => {
    const { job } = await newJob();
    await using _job = job;
    const network = await engine.createNetwork(job.owner("network"), { egress: "none" }, never);
    const line = "getent hosts example.com; echo $?";
    const container = await engine.createContainer(
      job.spec("step", ["sh", "-c", line], { network }),
      never,
    );
    const output = collector();

    await container.start(output.take, never);
    await container.wait(never);

    const { HostConfig: host } = await docker.getContainer(container.id).inspect();
    expect(output.text()).toBe("2\n");
    // An address of the documentation's: the engine has nobody to carry a name to.
    expect(host.Dns).toEqual(["192.0.2.1"]);
  });

  test("with a proxy on the engine, mirrors are reached through it and nothing else is", async () => {
    await using host = await openHost();
    const { job } = await newJob();
    await using _job = job;
    // Stands for the operator's proxy: a container of his own, on the ordinary bridge.
    const name = `tatara-test-proxy-${job.jobId}`;
    const line =
      "use IO::Socket::INET; my $s=IO::Socket::INET->new(Listen=>5,LocalPort=>3128,ReuseAddr=>1); while(my $c=$s->accept){print $c qq(proxy\\n); close $c}";
    const proxy = await docker.createContainer({
      name,
      Image: BASE_IMAGE,
      Cmd: ["perl", "-e", line],
    });
    await using _proxy = { [Symbol.asyncDispose]: () => proxy.remove({ force: true }) };
    await proxy.start();
    const mirrored = realEngine({ mirrorProxy: `http://${name}:3128` });
    const targets = hostAddresses().map((address) => `${address}:${host.port}`);

    const { reached, network } = await reachedFrom(
      "mirrors",
      [...targets, `${name}:3128`],
      mirrored,
    );
    const own = await mirrored.createNetwork(job.owner("env"), { egress: "mirrors" }, never);
    const env = await runToEnd(
      mirrored,
      job.spec("env-step", ["sh", "-c", "echo $http_proxy $HTTPS_PROXY $no_proxy"], {
        network: own,
        env: { no_proxy: "db" },
      }),
    );

    expect(reached).toEqual([`${name}:3128`]);
    expect(network.proxy).toBe(`http://${name}:3128`);
    expect(env.output).toBe(`http://${name}:3128 http://${name}:3128 db\n`);
    await engine.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);
    expect((await proxy.inspect()).State.Running).toBe(true);
  });

  for (const mount of ["", "--mount=type=tmpfs,target=/nothing "]) {
    test(`an image build on a closed network reaches nothing (RUN ${mount})`, async () => {
      await using host = await openHost();
      const { job } = await newJob();
      await using _job = job;
      const targets = hostAddresses().map((address) => `${address}:${host.port}`);
      const network = await engine.createNetwork(job.owner("network"), { egress: "none" }, never);
      const command = JSON.stringify(tryAll(targets));
      const seenOn = async (on: "as-is" | "closed") => {
        const output = collector();
        const dockerfile = `FROM ${BASE_IMAGE}\nRUN ${mount}${command}\nRUN echo on ${on} ${job.jobId}\n`;
        const options = buildOptions(job, tarOf({ Dockerfile: dockerfile }), output.take);
        const built = await engine.buildImage(
          { ...options, isFresh: true, ...(on === "closed" ? { network } : {}) },
          never,
        );
        if (built.kind === "built") await removeImage(engine, built.image);
        return output
          .text()
          .split("\n")
          .filter((line) => targets.includes(line));
      };

      expect(await seenOn("as-is")).not.toEqual([]);
      expect(await seenOn("closed")).toEqual([]);
    });
  }
});
