import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { stepMessage, stepReuse, testResult } from "../../../src/shared/build-messages.ts";
import type { Logger } from "../../../src/shared/logger.ts";

const image = z.object({
  id: z.string(),
  user: z.string(),
  env: z.array(z.string()),
  workingDir: z.string(),
  digest: z.string(),
});

const network = z.union([
  z.literal("none"),
  z.object({
    id: z.string(),
    name: z.string(),
    gateway: z.string().nullable(),
    egress: z.enum(["internet", "mirrors", "none"]),
    proxy: z.string().nullable(),
  }),
]);

const limits = z.object({
  memoryBytes: z.number(),
  cpus: z.number(),
  pids: z.number(),
  diskBytes: z.number(),
  timeoutMs: z.number(),
  idleTimeoutMs: z.number(),
});

/** A test's container was let go: from then on it is the step, whatever becomes of the worker. */
const openedTest = z.object({
  step: z.string(),
  /** As the engine knows whose it is. */
  ownerStep: z.string(),
  containerId: z.string(),
  openedAt: z.number(),
  /** When the step began, for its page. */
  startedAt: z.number(),
  image,
  network,
  limits,
  services: z.array(z.string()),
  /** Names of those that it was given. */
  secrets: z.array(z.string()),
  user: z.object({ uid: z.number(), gid: z.number(), home: z.string() }),
  /** What its cache gave it; null: it has none. */
  restored: z
    .object({ line: z.string(), reuse: z.array(stepReuse), makingMs: z.number().nullable() })
    .nullable(),
});

export type OpenedTest = z.infer<typeof openedTest>;

/** What of an ended step the rest of its job needs. */
const stepMemo = z.object({
  image: image.optional(),
  kept: z
    .array(
      z.object({
        path: z.string(),
        diskPath: z.string(),
        sizeBytes: z.number(),
        sha256: z.string(),
        isExecutable: z.boolean(),
      }),
    )
    .optional(),
  packages: z
    .array(
      z.object({
        fileName: z.string(),
        path: z.string(),
        sha256: z.string(),
        sizeBytes: z.number(),
        target: z.string(),
      }),
    )
    .optional(),
  /** Of a failed step, what its card says. */
  tests: z.array(testResult).optional(),
  isAllowed: z.boolean().optional(),
});

export type StepMemo = z.infer<typeof stepMemo>;

const endedStep = z.object({ step: z.string(), message: stepMessage, memo: stepMemo });

export type EndedStep = z.infer<typeof endedStep>;

const journalLine = z.union([
  /** A life of the worker began to work on the attempt. */
  z.object({ worked: z.object({ life: z.number() }) }),
  z.object({ opened: openedTest }),
  z.object({ ended: endedStep }),
]);

type JournalLine = z.infer<typeof journalLine>;

/**
 * What a later life of this worker needs to go on with an attempt. It is written for the end of this
 * process, not for that of the machine: nothing is flushed, since after a boot nothing is left to go
 * on with. What could not be written is done again.
 */
export interface Journal {
  opened(test: OpenedTest): Promise<void>;
  ended(step: EndedStep): Promise<void>;
  worked(life: number): Promise<void>;
  close(): Promise<void>;
}

/** For jobs that nobody comes back to. */
export const NO_JOURNAL: Journal = {
  opened: async () => undefined,
  ended: async () => undefined,
  worked: async () => undefined,
  close: async () => undefined,
};

const FILE = "journal";

export async function openJournal(dir: string, logger: Logger): Promise<Journal> {
  const file = await open(join(dir, FILE), "a", 0o600);
  let last: Promise<void> = Promise.resolve();
  const append = (line: JournalLine): Promise<void> => {
    // The line before may have been cut off.
    const text = `\n${JSON.stringify(line)}\n`;
    last = last
      .then(() => file.appendFile(text))
      .catch((err: unknown) => logger.warn({ err, dir }, "Attempt's journal not written"));
    return last;
  };
  return {
    opened: (opened) => append({ opened }),
    ended: (ended) => append({ ended }),
    worked: (life) => append({ worked: { life } }),
    close: async () => {
      await last;
      await file.close();
    },
  };
}

/** What earlier lives wrote down of an attempt. */
export interface JournalStory {
  /** The last life that worked on it; 0: none did. */
  readonly life: number;
  /** By step, the newest of each. */
  readonly opened: ReadonlyMap<string, OpenedTest>;
  readonly ended: ReadonlyMap<string, EndedStep>;
}

export async function readJournal(dir: string): Promise<JournalStory> {
  const text = await readFile(join(dir, FILE), "utf8").catch(() => "");
  const opened = new Map<string, OpenedTest>();
  const ended = new Map<string, EndedStep>();
  let life = 0;
  for (const line of text.split("\n").flatMap(parsed)) {
    if ("worked" in line) life = Math.max(life, line.worked.life);
    else if ("opened" in line) opened.set(line.opened.step, line.opened);
    else ended.set(line.ended.step, line.ended);
  }
  return { life, opened, ended };
}

/** A line that was cut off tells nothing. */
function parsed(text: string): readonly JournalLine[] {
  if (text === "") return [];
  try {
    return [journalLine.parse(JSON.parse(text))];
  } catch {
    return [];
  }
}
