import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export interface TestRedis extends AsyncDisposable {
  readonly url: string;
  /** `SIGSTOP`: it hears and says nothing, and its connections stay. `SIGCONT` ends that. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
}

/** A real Redis on a socket of its own, which keeps nothing. */
export async function startRedis(policy = "noeviction"): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-redis-"));
  const socket = join(dir, "redis.sock");
  const config = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir];
  const redis = spawn("redis-server", [...config, "--maxmemory-policy", policy], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await untilReady(redis.stdout);
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

async function untilReady(stdout: Readable): Promise<void> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: stdout })) {
    lines.push(line);
    if (!line.includes("eady to accept connections")) continue;
    // What it says later is read by nobody, and must not fill the pipe.
    stdout.resume();
    return;
  }
  throw new Error(`Redis ended before it was ready:\n${lines.join("\n")}`);
}
