import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestRedis extends AsyncDisposable {
  readonly url: string;
  /** `SIGSTOP`: it hears and says nothing, and its connections stay. `SIGCONT` ends that. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
}

/** A real Redis on a socket of its own, which keeps nothing. */
export async function startRedis(): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-redis-"));
  const socket = join(dir, "redis.sock");
  const config = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir];
  const redis = spawn("redis-server", [...config, "--maxmemory-policy", "noeviction"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const chunk of redis.stdout) {
    if (String(chunk).includes("eady to accept connections")) break;
  }
  return {
    url: `unix://${socket}`,
    signal: (name) => void redis.kill(name),
    [Symbol.asyncDispose]: async () => {
      redis.kill("SIGCONT");
      redis.kill();
      await once(redis, "exit");
      await rm(dir, { recursive: true, force: true });
    },
  };
}
