import { appendFileSync, closeSync, copyFileSync, fstatSync, mkdirSync } from "node:fs";
import { openSync, readSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { diskRefusal } from "../../shared/disk-errors.ts";

const LOG_BYTES_MAX = 64 * 2 ** 20;
const FOLLOW_EVERY_MS = 200;
const READ_BYTES_MAX = 256 * 2 ** 10;
const LINE_CHARACTERS_MAX = 64 * 2 ** 10;

/** One process's operator log. The process writes to the file itself, so it outlives a kill of ours. */
export interface LogFile {
  readonly path: string;
  /** For a child's stderr; whoever asks closes it. */
  openFd(): number;
  append(line: string): void;
  /** Reads what is new and hands on its lines. */
  catchUp(): void;
  close(): void;
}

/** Follows the file from its present end; beyond 64 MiB its content moves to `<path>.1`. */
export function openLogFile(path: string, onLine: (line: string) => void): LogFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fd = openSync(path, "a+", 0o600);
  const buffer = Buffer.alloc(READ_BYTES_MAX);
  const decoder = new TextDecoder();
  let offset = fstatSync(fd).size;
  let rest = "";

  const catchUp = (): void => {
    if (fstatSync(fd).size < offset) offset = 0; // Somebody else emptied it.
    for (;;) {
      const size = readSync(fd, buffer, 0, READ_BYTES_MAX, offset);
      if (size === 0) break;
      offset += size;
      const lines = (rest + decoder.decode(buffer.subarray(0, size), { stream: true })).split("\n");
      rest = (lines.pop() ?? "").slice(0, LINE_CHARACTERS_MAX);
      for (const line of lines) if (line !== "") onLine(line);
    }
    if (offset > LOG_BYTES_MAX) offset = moveAway(path);
  };
  const follow = (): void => unlessRefused(catchUp);
  const timer = setInterval(follow, FOLLOW_EVERY_MS).unref();

  return {
    path,
    openFd: () => openSync(path, "a", 0o600),
    append: (line) => unlessRefused(() => appendFileSync(fd, `${line}\n`)),
    catchUp: follow,
    close: () => {
      clearInterval(timer);
      follow();
      closeSync(fd);
    },
  };
}

/** The disk may be full or failing: what is lost is a line, and the processes must go on. */
function unlessRefused(work: () => void): void {
  try {
    work();
  } catch (err) {
    if (diskRefusal(err) === undefined) throw err;
  }
}

/** The writers keep their open file, so it is copied and emptied; a line in between may be lost. */
function moveAway(path: string): number {
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
  return 0;
}
