import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import type { BuildDeps, PlannedBuild } from "../../../../workers/build/docker/build-plan.ts";
import { buildClassic } from "../../../../workers/build/docker/classic.ts";
import { connect, connectAnew } from "../../../../workers/build/docker/client.ts";
import { silentLogger } from "../../../support/silent-logger.ts";

const ID = "bb2c0ec8dc927d9beb15bc7c739b8738234bfb2ac5f067e618800bb18c3f52de";

/** An engine whose builds say these lines. */
async function anEngine(lines: readonly object[]) {
  const server = createServer((request, response) => {
    request.resume();
    const isBuild = request.url?.includes("/build") ?? false;
    response.end(isBuild ? lines.map((line) => `${JSON.stringify(line)}\n`).join("") : "OK");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const address = { host: "127.0.0.1", port };
  const deps: BuildDeps = {
    docker: connect(address),
    fresh: connectAnew(address),
    address,
    logger: silentLogger,
    cgroupParent: "/tatara",
    making: new Set(),
    buildLimits: { memoryBytes: 2 ** 29, cpus: 1 },
    now: Date.now,
    buildStarts: new Set(),
    unnamedLayers: new Map(),
    brokenContainers: new Set(),
    sharedBuilds: new Set(),
  };
  return {
    deps,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function planned(text: string): PlannedBuild {
  return {
    owner: { workerId: "w1", jobId: "j1", attempt: 1, step: "image" },
    context: Readable.from([]),
    dockerfile: "Dockerfile",
    text,
    stage: null,
    args: {},
    secrets: [],
    isFresh: false,
    timeoutMs: 60_000,
    onOutput: () => undefined,
  };
}

const STEPS = [
  { stream: "Step 1/2 : FROM tatara/base\n" },
  { stream: " ---> a6aca9636d7a\n" },
  { stream: "Step 2/2 : LABEL dev.tatara.image=1\n" },
];

test.each([`unable to find image "sha256:${ID}"`, `No such image: sha256:${ID}`])(
  "a layer that was removed beside a build is the engine's fault: %s",
  async (message) => {
    await using engine = await anEngine([...STEPS, { error: message, errorDetail: { message } }]);

    const building = buildClassic(engine.deps, planned("FROM tatara/base\n"), never());

    await expect(building).rejects.toMatchObject({ name: "InfraFault", code: "ENGINE_FAILED" });
  },
);

test("an image that the Dockerfile names by such an id is its author's fault", async () => {
  const from = `FROM tatara/base@sha256:${ID}`;
  const message = `No such image: sha256:${ID}: manifest unknown`;
  const lines = [{ stream: `Step 1/2 : ${from}\n` }, { error: message, errorDetail: { message } }];
  await using engine = await anEngine(lines);

  const building = buildClassic(engine.deps, planned(`${from}\n`), never());

  await expect(building).rejects.toMatchObject({ name: "UserFault", code: "IMAGE_UNKNOWN" });
});

function never(): AbortSignal {
  return new AbortController().signal;
}
