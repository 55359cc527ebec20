import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PROCESSES } from "../../../src/cli/processes/process-table.ts";
import type { ProcessSpec, ProcessTable } from "../../../src/cli/processes/process-table.ts";
import { inOrder } from "./disk.ts";
import { readTrace } from "./read-trace.ts";
import type { Call } from "./read-trace.ts";

/** Everything that changes files, brings them to the disk, or says something to somebody. */
const CALLS = [
  "openat,open,creat,lseek,chdir,write,pwrite64,writev,pwritev",
  "ftruncate,truncate,fallocate,copy_file_range,sendfile,splice",
  "rename,renameat,renameat2,link,linkat,symlink,symlinkat",
  "unlink,unlinkat,rmdir,mkdir,mkdirat",
  "fsync,fdatasync,sync,syncfs,msync",
] as const;
/** Longer than anything that is written at once. */
const STRING_BYTES_MAX = 64 * 2 ** 20;
const ENDED_MS = 20_000;
const LOOK_EVERY_MS = 50;

/** Writes down, in order, what the server, the publish worker and their programs ask of the disk. */
export interface Recorder {
  readonly processes: ProcessTable;
  /** After all of them have ended: every call on a path below `root` that is of interest. */
  calls(root: string, concerns: (path: string) => boolean): Promise<readonly Call[]>;
}

/** `dir` holds the traces; it must not be in what is recorded. */
export async function openRecorder(dir: string): Promise<Recorder> {
  await mkdir(dir, { recursive: true });
  const workers = await Promise.all(
    PROCESSES.workers.map((spec) =>
      spec.name === "publish" ? recorded(dir, spec) : Promise.resolve(spec),
    ),
  );
  return {
    processes: { server: await recorded(dir, PROCESSES.server), workers },
    calls: async (root, concerns) => {
      const names = (await readdir(dir)).filter((name) => name.endsWith(".trace"));
      const traces = names.map(async (name) => {
        const speaker = name.startsWith("server") ? "server" : "publish";
        return readTrace(await wholeTrace(join(dir, name)), { root, concerns, speaker });
      });
      const calls = (await Promise.all(traces)).flat();
      return inOrder(calls.toSorted((one, other) => one.endedAt - other.endedAt));
    },
  };
}

/**
 * A small program becomes strace, which becomes the one that is to be recorded, so that it has the
 * number and the parent that the supervisor knows; strace itself stands beside it (`-DDD`).
 */
async function recorded<S extends ProcessSpec>(dir: string, spec: S): Promise<S> {
  const trace = ["-e", `trace=${CALLS.join(",")}`];
  const form = ["-ttt", "-yy", "-xx", "-s", String(STRING_BYTES_MAX)];
  const args = ["strace", "-DDD", "-f", "--seccomp-bpf", ...form, ...trace];
  const script = join(dir, `${spec.name}.mjs`);
  const text = [
    `const output = ${JSON.stringify(join(dir, spec.name))} + "-" + process.pid + ".trace";`,
    `const node = [process.execPath, ...process.execArgv, ${JSON.stringify(spec.script)}];`,
    `process.execve("/usr/bin/env", ["env", ...${JSON.stringify(args)}, "-o", output, ...node], process.env);`,
  ];
  await writeFile(script, text.join("\n"));
  return { ...spec, script };
}

/** strace writes its last line when the last of its programs has gone. */
async function wholeTrace(path: string): Promise<string> {
  const pid = /-(\d+)\.trace$/.exec(path)?.[1] ?? "";
  const isWhole = (text: string): boolean =>
    new RegExp(`^${pid} .*\\+\\+\\+ (?:exited|killed)`, "m").test(text.slice(-20_000));
  const endAt = performance.now() + ENDED_MS;
  for (;;) {
    const text = await readFile(path, "latin1");
    if (isWhole(text)) return text;
    if (performance.now() > endAt) throw new Error(`${path} does not end.`);
    await delay(LOOK_EVERY_MS);
  }
}
