import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SOCKET_PATH } from "../support/engine-rig.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { startTatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";

test("a worker without Docker claims nothing and says so, and begins once Docker is there", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-away-"));
  const socket = join(dir, "docker.sock");
  {
    await using tatara = await startTatara({ env: { DOCKER_HOST: `unix://${socket}` } });
    const repo = await tatara.createRepo("acme/tiny", tinyRepo());
    await repo.push();

    const stuck = () =>
      tatara.client.health().then(({ warnings }) => warnings.filter(isAboutDocker));
    await until(() => stuck().then(({ length }) => length), 1);
    expect((await stuck())[0]).toMatch(/^worker test-\w+ takes no jobs: Docker is unavailable: /);
    const waiting = await tatara.build("acme/tiny#1");
    expect(waiting).toMatchObject({ state: "queued" });
    expect(waiting.jobs.map(({ attempt }) => attempt)).toEqual([0]);
    const page = await (await tatara.fetch(new URL(waiting.url).pathname)).text();
    expect(page).toContain("Docker is unavailable");

    await symlink(SOCKET_PATH, socket);

    const { jobs } = await tatara.until("acme/tiny#1", "passed");
    expect(jobs.map(({ attempt }) => attempt)).toEqual([1]);
    await until(() => stuck().then(({ length }) => length), 0);
  }
  await rm(dir, { recursive: true });
});

function isAboutDocker(warning: string): boolean {
  return warning.includes("Docker");
}
