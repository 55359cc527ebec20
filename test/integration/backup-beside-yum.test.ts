import { chmod, cp, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dnfClient } from "../support/dnf-client.ts";
import { makeRpms } from "../support/make-rpm.ts";
import { tataraAt } from "../support/run-tatara.ts";
import { startYum, type Yum } from "../support/start-yum.ts";

const TARGET = "debian12.x86_64";

interface Listed {
  readonly targets: readonly { readonly name: string; readonly packages: number }[];
}

/** A package with its source and debug packages. */
async function publish(into: Yum, name: string, channel: string): Promise<void> {
  const dir = await mkdtemp(join(into.dir, "rpms-"));
  const sections = [
    `%package debuginfo\nSummary: Debug\n%description debuginfo\nD.\n%files debuginfo`,
  ];
  const packages = [];
  for (const { fileName, bytes } of await makeRpms({ name, sections })) {
    await writeFile(join(dir, fileName), bytes);
    packages.push({ path: join(dir, fileName), target: TARGET });
  }
  const { buildId } = await into.builds.finish({ channel, packages });
  expect(await into.builds.final(buildId)).toMatchObject({ state: "passed" });
}

test("each command that a restore beside newer packages prints brings back what it says", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tatara-backup-beside-"));
  await chmod(folder, 0o755);
  const at = (dataDir: string, args: readonly string[]) =>
    tataraAt({ url: "http://127.0.0.1:9", adminToken: "" })(args, {
      env: { TATARA_DATA_DIR: dataDir },
    });
  const dataDir = join(folder, "data");
  try {
    await using yum = await startYum();
    await publish(yum, "hello", "dev");
    const { stdout: backup } = await at(yum.dataDir, ["backup", join(folder, "backups")]);
    await publish(yum, "newer", "dev");
    await yum.api("/api/channels", { json: { name: "later" } });
    await publish(yum, "latest", "later");
    await mkdir(dataDir);
    await cp(join(yum.dataDir, "yum"), join(dataDir, "yum"), { recursive: true });
    const channels = join(dataDir, "yum", "channels");
    // As a build leaves it that is verified before it is published.
    await cp(join(channels, "dev"), join(channels, "build-b-1"), { recursive: true });

    const restored = await at(dataDir, ["restore", backup.trim(), "--beside-yum"]);
    expect(restored, restored.stderr).toMatchObject({ code: 0 });
    expect(restored.stdout).toContain("Not brought back: build-b-1.");
    const commands = restored.stdout.split("\n").filter((line) => /^ +tatara /.test(line));
    expect(commands).toHaveLength(3);

    // The same folder, since the commands name it.
    await using again = await startYum({
      prepare: async (dir) => {
        await rename(dataDir, dir);
      },
    });
    for (const command of commands) {
      const [, ...words] = command.trim().replaceAll(dataDir, again.dataDir).split(" ");
      const { code, stderr } = await tataraAt(again)(words);
      expect({ command, code, stderr }).toEqual({ command, code: 0, stderr });
    }
    for (const [channel, name] of [
      ["dev", "newer"],
      ["later", "latest"],
    ] as const) {
      await using client = await dnfClient({ repoUrl: `${again.url}/yum/${channel}.repo` });
      const installed = await client.install(name);
      expect(installed, installed.output).toMatchObject({ code: 0 });
    }
    const dev = await again.api<Listed>("/api/channels/dev");
    expect(Object.fromEntries(dev.targets.map((one) => [one.name, one.packages]))).toEqual({
      [TARGET]: 2,
      [`${TARGET}-debug`]: 2,
      [`${TARGET}-source`]: 2,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
