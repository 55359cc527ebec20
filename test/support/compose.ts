import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const exec = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The user in the image. */
const UID = 900;

/** `compose.yaml` as it stands, with an image of this checkout. */
export interface Composed extends AsyncDisposable {
  readonly url: string;
  readonly adminToken: string;
  readonly backups: string;
  compose(...args: string[]): Promise<string>;
  docker(...args: string[]): Promise<string>;
  containerOf(service: string): Promise<string>;
  /** As a crash does it: from the host, past the engine. */
  crash(service: string): Promise<void>;
}

export async function startComposed(): Promise<Composed> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-compose-"));
  const name = `tatara-test-${randomBytes(4).toString("hex")}`;
  const port = await freePort();
  const backups = join(dir, "backup");
  await mkdir(backups, { mode: 0o700 });
  await chown(backups, UID, UID);
  const adminToken = randomBytes(24).toString("hex");
  const { stdout: tokens } = await exec("sh", [join(ROOT, "scripts/tokens")]);
  const envFile = join(dir, "env");
  const settings = [
    `TATARA_IMAGE=${name}`,
    `TATARA_PORT=${port}`,
    `TATARA_ADMIN_TOKEN=${adminToken}`,
    `TATARA_BACKUP_DIR=${backups}`,
    `TATARA_WORKER_NAME=${name}`,
  ];
  await writeFile(envFile, `${tokens}${settings.join("\n")}\n`, { mode: 0o600 });

  const run = async (command: string, args: readonly string[]): Promise<string> => {
    const options = { cwd: ROOT, maxBuffer: 64 * 1024 * 1024, timeout: 180_000 };
    const { stdout } = await exec(command, [...args], options);
    return stdout.trim();
  };
  const docker = (...args: string[]) => run("docker", args);
  const base = ["--project-name", name, "--env-file", envFile];
  const compose = (...args: string[]) => run("docker-compose", [...base, ...args]);
  const containerOf = (service: string) => compose("ps", "--quiet", service);
  await docker("build", "--quiet", "--build-arg", "BASE_IMAGE=tatara/base", "--tag", name, ".");
  await compose("up", "--detach");
  return {
    url: `http://127.0.0.1:${port}`,
    adminToken,
    backups,
    compose,
    docker,
    containerOf,
    crash: async (service) => {
      const pid = await docker("inspect", "--format", "{{.State.Pid}}", await containerOf(service));
      if (Number(pid) > 1) process.kill(Number(pid), "SIGKILL");
    },
    [Symbol.asyncDispose]: async () => {
      await compose("down", "--volumes", "--timeout", "15");
      await docker("rmi", "--force", name).catch(() => undefined);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
