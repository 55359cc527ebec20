import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const IMAGE = `tatara-test-image-${process.pid}`;

async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run("docker", args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

test("Tatara's own image builds on tatara/base and serves without root", async () => {
  try {
    await docker("build", "--quiet", "--build-arg", "BASE_IMAGE=tatara/base", "--tag", IMAGE, ".");
    const container = await docker(
      "run",
      "--detach",
      "--rm",
      "--label",
      "tatara.test=image",
      IMAGE,
    );
    try {
      const healthOf = async (): Promise<string> => {
        const script =
          "const r = await fetch('http://127.0.0.1:8080/healthz'); console.log(r.status, process.getuid() !== 0)";
        const eval_ = ["node", "--input-type=module", "--eval", script];
        return await docker("exec", container, ...eval_).catch(() => "no answer");
      };
      await until(healthOf, "200 true", { deadlineMs: 60_000, everyMs: 500 });
      expect(await docker("exec", container, "bin/tatara", "version")).toContain("tatara 0.1.0");
    } finally {
      await docker("stop", "--time", "25", container);
    }
  } finally {
    await docker("rmi", "--force", IMAGE).catch(() => undefined);
  }
});
