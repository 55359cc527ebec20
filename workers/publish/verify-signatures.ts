import { mkdir, open, readFile, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, join } from "node:path";
import { InfraFault } from "../../src/domain/faults.ts";
import { dearmour } from "./openpgp.ts";
import { writeSynced } from "./durable.ts";
import { runConfined } from "./run-command.ts";
import { openVerifierPool } from "./verifier-pool.ts";
import type { Answer, VerifierPool } from "./verifier-pool.ts";

/** Readers that share no code with the signer, and hold nothing but the published keys. */
export interface Verifier {
  /** rpm's own check. Throws `SIGNING_FAILED` if one signature does not hold. */
  packages(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** gpg's check of a detached signature: of bytes and a text, or of two files. */
  detached(document: Buffer | string, signature: string, signal: AbortSignal): Promise<void>;
  /** Ends the programs that wait. */
  close(): Promise<void>;
}

const CHECK_TIMEOUT_MS = 120_000;
const WAITING = 4;
/** Above it a check takes longer than the start of a program, and the bytes need not go through us. */
const QUICK_BYTES_MAX = 4 * 2 ** 20;
/** So many files are one program's work; more are dealt out to several. */
const GROUP_MIN = 16;
const GROUPS = 4;
const GROUP_MAX = 200;
const ANSWER_MAX = 2_000;

const KEYRING = "tatara.gpg";
const GPGV = ["--keyring", `./${KEYRING}`, "--status-fd", "1", "--enable-special-filenames"];
// The child may not be allowed to walk to the folder, but it stands in it.
const RPM_KEYRING = ["--define", "_keyring fs", "--define", "_keyringpath /proc/self/cwd"];
const RPMKEYS = [...RPM_KEYRING, "--define", "_pkgverify_level signature", "--checksig"];

/**
 * `folder` is made; `publicKeys` are armoured texts, one key in each. The programs that check are
 * started here and wait, so that a publish does not: see docs/decisions/0006.
 */
export async function openVerifier(
  folder: string,
  publicKeys: readonly string[],
): Promise<Verifier> {
  await mkdir(folder, { recursive: true });
  // rpm reads only the first key of a file.
  const files = publicKeys.map((text, i) => writeSynced(join(folder, `tatara-${i}.key`), text));
  const keyring = Buffer.concat(publicKeys.map(dearmour));
  await Promise.all([...files, writeSynced(join(folder, KEYRING), keyring)]);

  const common = { cwd: folder, size: WAITING, timeoutMs: CHECK_TIMEOUT_MS };
  const rpmkeys = openVerifierPool({
    ...common,
    file: "rpmkeys",
    args: [...RPMKEYS, "-"],
    inputs: 1,
  });
  const gpgv = openVerifierPool({
    ...common,
    file: "gpgv",
    args: [...GPGV, "--", "-&3", "-"],
    inputs: 2,
  });
  const underway = new Set<Promise<void>>();
  const track = async (checking: Promise<void>): Promise<void> => {
    underway.add(checking);
    await checking.finally(() => underway.delete(checking));
  };
  return {
    packages: (paths, signal) => track(verifyPackages({ folder, rpmkeys, paths }, signal)),
    detached: (document, signature, signal) =>
      track(verifyDetached({ gpgv, document, signature }, signal)),
    close: async () => {
      await Promise.allSettled(underway);
      await Promise.all([rpmkeys.close(), gpgv.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface PackageCheck {
  readonly folder: string;
  readonly rpmkeys: VerifierPool;
  readonly paths: readonly string[];
}

/** A program that waits can only say yes. Whatever else it does, a new one looks again and decides. */
async function verifyPackages(
  { folder, rpmkeys, paths }: PackageCheck,
  signal: AbortSignal,
): Promise<void> {
  if (paths.length === 0 || (await areAccepted(paths, rpmkeys, signal))) return;
  const checks = groupsOf(paths).map((group) => verifyTogether(folder, group, signal));
  const ends = await Promise.allSettled(checks);
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function areAccepted(
  paths: readonly string[],
  rpmkeys: VerifierPool,
  signal: AbortSignal,
): Promise<boolean> {
  if (paths.length > WAITING) return false;
  const stats = await Promise.all(paths.map((path) => stat(path)));
  if (stats.some(({ size }) => size > QUICK_BYTES_MAX)) return false;
  const files = await Promise.all(paths.map((path) => readFile(path)));
  const waiting = rpmkeys.take(files.length);
  if (waiting === undefined) return false;
  const answers = await Promise.all(
    waiting.map((process, i) => process.ask(files.slice(i, i + 1), signal)),
  );
  return answers.every(
    (answer) => answer.code === 0 && answer.stdout === "-: digests signatures OK\n",
  );
}

function groupsOf(paths: readonly string[]): readonly (readonly string[])[] {
  const few = Math.ceil(paths.length / GROUP_MIN);
  const count = Math.max(Math.min(few, GROUPS), Math.ceil(paths.length / GROUP_MAX));
  return Array.from({ length: count }, (_, i) => paths.filter((_, at) => at % count === i));
}

async function verifyTogether(
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const files = await openAll(paths);
  try {
    const names = files.map((_, i) => `/proc/self/fd/${i + 3}`);
    const options = { cwd: folder, timeoutMs: CHECK_TIMEOUT_MS, files: files.map(({ fd }) => fd) };
    const args = [...RPMKEYS, ...names];
    const { code, stdout, stderr } = await runConfined("rpmkeys", args, options, signal);
    // Its exit code alone once said yes to unsigned files, so each line must say it as well.
    const lines = stdout.toString("utf8");
    const good = lines.match(/: digests signatures OK$/gm)?.length ?? 0;
    if (code === 0 && good === paths.length) return;
    const bad = lines.replace(/^.*: digests signatures OK\n/gm, "");
    const named = bad.replace(/^\/proc\/self\/fd\/(\d+)/gm, (_, fd) =>
      nameOf(paths, Number(fd) - 3),
    );
    const why = `${named}${stderr}`.trim().slice(0, ANSWER_MAX);
    throw new InfraFault("SIGNING_FAILED", `rpm refuses a signature we made: ${why}`);
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

function nameOf(paths: readonly string[], at: number): string {
  return basename(paths[at] ?? "");
}

/** All, or none is left open. */
async function openAll(paths: readonly string[]): Promise<readonly FileHandle[]> {
  const opening = await Promise.allSettled(paths.map((path) => open(path, "r")));
  const files = opening.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  const failed = opening.find((end) => end.status === "rejected");
  if (failed === undefined) return files;
  await Promise.all(files.map((file) => file.close()));
  throw failed.reason;
}

interface DetachedCheck {
  readonly gpgv: VerifierPool;
  readonly document: Buffer | string;
  readonly signature: string;
}

async function verifyDetached(
  { gpgv, document, signature }: DetachedCheck,
  signal: AbortSignal,
): Promise<void> {
  const isPath = typeof document === "string";
  const inputs = isPath
    ? await Promise.all([readFile(document), readFile(signature)])
    : [document, Buffer.from(signature)];
  const waiting = gpgv.take(1)?.[0];
  if (waiting && isGood(await waiting.ask(inputs, signal))) return;
  const answer = await gpgv.start().ask(inputs, signal);
  if (isGood(answer)) return;
  const why = `${answer.stderr}${answer.stdout}`.trim().slice(0, ANSWER_MAX);
  throw new InfraFault("SIGNING_FAILED", `gpg refuses a signature we made: ${why}`);
}

/** gpgv's exit code is 0 for an expired key, too: only GOODSIG is a yes, and only on its own. */
function isGood({ code, stdout }: Answer): boolean {
  const verdicts = stdout.match(/^\[GNUPG:\] (?!NEW)\w+SIG /gm) ?? [];
  const isOne = verdicts.join() === "[GNUPG:] GOODSIG ,[GNUPG:] VALIDSIG ";
  return code === 0 && isOne;
}
