import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { end } from "./processes.ts";

const START_TRIES_MAX = 100;
const TRY_EVERY_MS = 50;

/** nginx over a folder of plain files, on a free port, with all that it writes below `workDir`. */
export async function startNginx(options: {
  readonly root: string;
  readonly workDir: string;
}): Promise<{ readonly port: number } & AsyncDisposable> {
  const { root, workDir } = options;
  await mkdir(workDir, { recursive: true });
  const port = await freePort();
  const path = join(workDir, "nginx.conf");
  await writeFile(path, config({ root, workDir, port }));
  const child = spawn("nginx", ["-c", path, "-p", workDir, "-e", join(workDir, "error.log")], {
    env: { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const failed = once(child, "error").then(([err]) => Promise.reject(err as Error));
  const stop = { port, [Symbol.asyncDispose]: () => end(child) };
  try {
    await Promise.race([answers(port), failed]);
    return stop;
  } catch (err) {
    await end(child);
    const log = await readFile(join(workDir, "error.log"), "utf8").catch(() => "");
    throw new Error(`nginx does not answer; apt-get install nginx-light brings it. ${log}`, {
      cause: err,
    });
  }
}

/** One worker, as our server is one process; what people switch on for files is on. */
function config({ root, workDir, port }: { root: string; workDir: string; port: number }): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? "user root;" : ""}
pid ${workDir}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=60s;
  open_file_cache_valid 60s;
  types { }
  default_type application/octet-stream;
${temp.map((name) => `  ${name}_temp_path ${workDir}/${name};\n`).join("")}
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function answers(port: number): Promise<void> {
  for (let tries = 0; tries < START_TRIES_MAX; tries += 1) {
    const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    await response?.body?.cancel();
    if (response !== undefined) return;
    await delay(TRY_EVERY_MS);
  }
  throw new Error("nginx was not ready in time.");
}
