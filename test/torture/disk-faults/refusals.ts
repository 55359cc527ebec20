import { execFile } from "node:child_process";
import { constants } from "node:os";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DiskError } from "./wanted.ts";

const run = promisify(execFile);

/** The first call of that name, on a path that fits, is answered with the error. */
export interface Refusal {
  readonly call: string;
  /** POSIX, of a whole path. */
  readonly pattern: string;
  readonly error: DiskError;
  /** 0: of any process that has the library. */
  readonly pid: number;
  readonly thread: "any" | "main" | "other";
}

/** A library that makes disk calls fail, in every process that is started with `env`. */
export interface Refusals {
  readonly env: Readonly<Record<string, string>>;
  /** Nothing but these is refused from now on. */
  arm(refusals: readonly Refusal[]): Promise<void>;
  /** The paths on which they were met, in their order; undefined: not met. Disarms them. */
  spring(): Promise<readonly (string | undefined)[]>;
  close(): Promise<void>;
}

// The same as `struct slot` in refuse-calls.c.
const SLOTS = 16;
const TEXT_BYTES = 2_000;
const CALL_AT = 20;
const PATTERN_AT = 48;
const PATH_AT = PATTERN_AT + TEXT_BYTES;
const SLOT_BYTES = PATH_AT + TEXT_BYTES;
const FREE = 0;
const ARMED = 1;
const HIT = 2;
const THREADS = { any: 0, main: 1, other: 2 } as const;

export async function openRefusals(dir: string): Promise<Refusals> {
  const library = join(dir, "refuse-calls.so");
  const source = join(import.meta.dirname, "refuse-calls.c");
  await run("cc", ["-shared", "-fPIC", "-O1", "-o", library, source]).catch((cause: unknown) => {
    const what = "The library that refuses disk calls cannot be made; is there a C compiler (gcc)?";
    throw new Error(what, { cause });
  });
  const path = join(dir, "refusals");
  const file = await open(path, "w+", 0o600);
  await file.truncate(SLOTS * SLOT_BYTES);
  let serial = 0;
  let armed = 0;

  return {
    env: { LD_PRELOAD: library, DISK_REFUSALS: path },
    arm: async (refusals) => {
      if (refusals.length > SLOTS) throw new Error(`There are ${SLOTS} slots.`);
      await disarm(file);
      armed = refusals.length;
      for (const [index, refusal] of refusals.entries()) {
        serial += 1;
        await file.write(slotOf(refusal, serial), 0, SLOT_BYTES, index * SLOT_BYTES);
        await writeState(file, index, ARMED);
      }
    },
    spring: async () => {
      const paths: (string | undefined)[] = [];
      for (let index = 0; index < armed; index += 1) paths.push(await metAt(file, index));
      await disarm(file);
      armed = 0;
      return paths;
    },
    close: () => file.close(),
  };
}

function slotOf({ call, pattern, error, pid, thread }: Refusal, serial: number): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  if (Buffer.byteLength(pattern) >= TEXT_BYTES) throw new Error(`Too long a pattern: ${pattern}`);
  const numbers = [FREE, pid, THREADS[thread], constants.errno[error], serial];
  for (const [index, number] of numbers.entries()) bytes.writeInt32LE(number, index * 4);
  bytes.write(call, CALL_AT);
  bytes.write(pattern, PATTERN_AT);
  return bytes;
}

async function metAt(file: FileHandle, index: number): Promise<string | undefined> {
  const bytes = Buffer.alloc(SLOT_BYTES);
  await file.read(bytes, 0, SLOT_BYTES, index * SLOT_BYTES);
  if (bytes.readInt32LE(0) < HIT) return undefined;
  return bytes.subarray(PATH_AT, bytes.indexOf(0, PATH_AT)).toString();
}

async function disarm(file: FileHandle): Promise<void> {
  for (let index = 0; index < SLOTS; index += 1) await writeState(file, index, FREE);
}

async function writeState(file: FileHandle, index: number, state: number): Promise<void> {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(state);
  await file.write(bytes, 0, 4, index * SLOT_BYTES);
}
