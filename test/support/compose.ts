import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { aFreePort } from "./free-port.ts";

const exec = promisify(execFile);
const LONGEST_COMMAND_MS = 600_000;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The user in the image. */
const UID = 900;

/** `compose.yaml` as it stands. */
export interface Composed extends AsyncDisposable {
  readonly url: string;
  readonly adminToken: string;
  readonly backups: string;
  compose(...args: string[]): Promise<string>;
  containerOf(service: string): Promise<string>;
  /** As a crash does it: from the host, past the engine. */
  crash(service: string): Promise<void>;
}

/** Tatara's own image, of this checkout. */
export interface OwnImage extends AsyncDisposable {
  readonly name: string;
}

export async function buildOwnImage(): Promise<OwnImage> {
  const name = `tatara-test-${randomBytes(4).toString("hex")}`;
  await docker("build", "--quiet", "--build-arg", "BASE_IMAGE=tatara/base", "--tag", name, ".");
  return {
    name,
    [Symbol.asyncDispose]: async () => void (await docker("rmi", "--force", name)),
  };
}

export async function docker(...args: string[]): Promise<string> {
  return await run("docker", args);
}

async function run(command: string, args: readonly string[]): Promise<string> {
  const options = { cwd: ROOT, maxBuffer: 64 * 1024 * 1024, timeout: LONGEST_COMMAND_MS };
  const { stdout } = await exec(command, [...args], options);
  return stdout.trim();
}

export async function startComposed(image: string): Promise<Composed> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-compose-"));
  const name = `tatara-test-${randomBytes(4).toString("hex")}`;
  const port = await aFreePort();
  const backups = join(dir, "backup");
  await mkdir(backups, { mode: 0o700 });
  await chown(backups, UID, UID);
  const adminToken = randomBytes(24).toString("hex");
  const { stdout: tokens } = await exec("sh", [join(ROOT, "scripts/tokens")]);
  const envFile = join(dir, "env");
  const settings = [
    `TATARA_IMAGE=${image}`,
    `TATARA_PORT=${port}`,
    `TATARA_ADMIN_TOKEN=${adminToken}`,
    `TATARA_BACKUP_DIR=${backups}`,
    `TATARA_WORKER_NAME=${name}`,
  ];
  await writeFile(envFile, `${tokens}${settings.join("\n")}\n`, { mode: 0o600 });

  const base = ["--project-name", name, "--env-file", envFile];
  const compose = (...args: string[]) => run("docker-compose", [...base, ...args]);
  const containerOf = (service: string) => compose("ps", "--quiet", service);
  const end = async (): Promise<void> => {
    await compose("down", "--volumes", "--timeout", "15");
    await rm(dir, { recursive: true, force: true });
  };
  await compose("up", "--detach").catch(async (err: unknown) => {
    await end();
    throw err;
  });
  return {
    url: `http://127.0.0.1:${port}`,
    adminToken,
    backups,
    compose,
    containerOf,
    crash: async (service) => {
      const pid = await docker("inspect", "--format", "{{.State.Pid}}", await containerOf(service));
      if (Number(pid) > 1) process.kill(Number(pid), "SIGKILL");
    },
    [Symbol.asyncDispose]: end,
  };
}
