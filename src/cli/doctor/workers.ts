import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { EngineApi } from "../engine-api.ts";
import { isAlive } from "../processes/is-alive.ts";
import { checksOf } from "./check.ts";
import type { Check } from "./check.ts";

const { ok, warn, fail } = checksOf("Workers");

export async function checkEngine(
  openEngine: () => EngineApi,
  options: {
    readonly baseImage: string;
    readonly targets: string;
    /** A container that is not the build worker's has no socket, and must not have one. */
    readonly isElsewhere: boolean;
  },
): Promise<readonly Check[]> {
  const { baseImage, targets, isElsewhere } = options;
  if (isElsewhere) return [ok("docker", "not here: no engine socket in this container")];
  try {
    const engine = openEngine();
    const [{ version }, info] = await Promise.all([engine.version(), engine.info()]);
    const rootless = info.rootless ? ", rootless" : "";
    const evidence = `${version}, cgroup v${info.cgroupVersion} (${info.cgroupDriver})${rootless}`;
    return [
      ok("docker", evidence),
      await checkBaseImage(engine, baseImage),
      ...(await checkTargets(engine, targets)),
    ];
  } catch (err) {
    const message = err instanceof Error ? err.message : String(err);
    return [fail("docker", message, engineFix(message))];
  }
}

function engineFix(message: string): string {
  if (!message.includes("EACCES")) return "sudo systemctl start docker";
  return `sudo usermod -aG docker ${userInfo().username}, and log in again`;
}

async function checkBaseImage(engine: EngineApi, name: string): Promise<Check> {
  if (await engine.hasImage(name)) return ok("base image", name);
  return fail("base image", `${name} is not there`, "sh scripts/base-image");
}

/** `el9.x86_64=image; …`, as the settings were checked before. */
async function checkTargets(engine: EngineApi, text: string): Promise<readonly Check[]> {
  const checks = text.split(";").map(async (entry): Promise<readonly Check[]> => {
    const [, target = "", image = ""] = /^\s*([^=\s]+)\s*=\s*(\S+)\s*$/.exec(entry) ?? [];
    if (target === "") return [];
    if (await engine.hasImage(image)) return [ok(`target ${target}`, image)];
    const evidence = `${image} is not on this engine: the first build pulls it`;
    return [warn(`target ${target}`, evidence, `docker pull ${image}`)];
  });
  return (await Promise.all(checks)).flat();
}

/** Started together, all processes are one user's: said plainly, since it weakens every other wall. */
export async function checkSeparation(dataDir: string): Promise<readonly Check[]> {
  const text = await readFile(join(dataDir, "supervisor.lock"), "utf8").catch(() => "");
  const pid = Number(text);
  if (!isAlive(pid)) return [];
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
  const who = uid === "0" ? "root" : `user ${uid ?? "unknown"}`;
  const evidence = `all processes run as ${who}: against ${who} on this host the separation is none`;
  return [
    warn("separation", evidence, "run each process by itself, as another user or in a container"),
  ];
}
