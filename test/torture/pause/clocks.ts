import { execFile } from "node:child_process";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { PROCESSES } from "../../../src/cli/processes/process-table.ts";
import type { ProcessSpec, ProcessTable } from "../../../src/cli/processes/process-table.ts";

const run = promisify(execFile);

export const CLOCKS = ["server", "build", "publish"] as const;
export type ClockName = (typeof CLOCKS)[number];

/** What belongs to whose clock is told by the program that a process runs. */
const PROGRAMS = {
  server: "src/server/main.ts",
  build: "workers/build/main.ts",
  publish: "workers/publish/main.ts",
} as const satisfies Record<ClockName, string>;

/** Wall clocks that can be set, one for each kind of process. */
export interface Clocks extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  /** The usual programs, which are handed `env`. */
  readonly processes: ProcessTable;
  /** From now on that clock is so far ahead of the machine's, or behind it. */
  shift(name: ClockName, byMs: number): Promise<void>;
  /** How often it was read while it was wrong: at 0 nobody was hurt. */
  reads(name: ClockName): Promise<number>;
}

// The same as `struct slot` in shift-clock.c.
const SLOTS = 8;
const READS_AT = 8;
const NAME_AT = 16;
const SLOT_BYTES = 64;

export async function openClocks(dir: string): Promise<Clocks> {
  const library = join(dir, "shift-clock.so");
  const source = join(import.meta.dirname, "shift-clock.c");
  await run("cc", ["-shared", "-fPIC", "-O1", "-o", library, source]).catch((cause: unknown) => {
    const what = "The library that sets clocks cannot be made; is there a C compiler (gcc)?";
    throw new Error(what, { cause });
  });
  const path = join(dir, "clock-offsets");
  const file = await open(path, "w+", 0o600);
  await file.truncate(SLOTS * SLOT_BYTES);
  const placeOf = (name: ClockName): number => CLOCKS.indexOf(name) * SLOT_BYTES;
  for (const name of CLOCKS) await file.write(PROGRAMS[name], placeOf(name) + NAME_AT);

  const env = { LD_PRELOAD: library, CLOCK_OFFSETS: path };
  const handed = <S extends ProcessSpec>(spec: S): S => ({
    ...spec,
    settings: [...spec.settings, ...Object.keys(env)],
  });
  return {
    env,
    processes: { server: handed(PROCESSES.server), workers: PROCESSES.workers.map(handed) },
    shift: async (name, byMs) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(byMs) * 1_000_000n);
      await file.write(bytes, 0, bytes.length, placeOf(name));
    },
    reads: async (name) => {
      const bytes = Buffer.alloc(8);
      await file.read(bytes, 0, bytes.length, placeOf(name) + READS_AT);
      return Number(bytes.readBigInt64LE());
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
