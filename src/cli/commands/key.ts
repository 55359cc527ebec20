import { open, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { InfraFault } from "../../domain/faults.ts";
import { readClientConfig } from "../../shared/config.ts";
import {
  exportSecret,
  findKey,
  importKey,
  KeyRefused,
  retire,
  rotate,
} from "../../yum/keys/key-changes.ts";
import type { KeyContext } from "../../yum/keys/key-changes.ts";
import { servedText, signingKey } from "../../yum/keys/key-ring.ts";
import type { KeyRing } from "../../yum/keys/key-ring.ts";
import { keyFolders, readRing } from "../../yum/keys/key-store.ts";
import { metadataSignedBy } from "../../yum/keys/signed-metadata.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { keyFactsOf, showRing } from "./key-show.ts";

const OVERLAP_DAYS = 7;
const DAY_MS = 86_400_000;
const UNIT_MS = { d: DAY_MS, h: 3_600_000, m: 60_000, s: 1_000 } as const;
const AFTER_MAX_MS = 366 * DAY_MS;

export const key: Command = {
  name: "key",
  usage: "[show | export | rotate | retire | import]",
  summary: "The keys that sign packages and metadata: look, back up, replace.",
  examples: [
    ["tatara key", "which key signs, which will, and which ones hosts get"],
    ["tatara key export > tatara.asc", "the public keys, as hosts get them"],
    ["tatara key export --secret --output FILE", "a backup of the key that signs; guard it well"],
    ["tatara key rotate", `a next key: hosts get it now, it signs in ${OVERLAP_DAYS} days`],
    ["tatara key rotate --now", "the next key signs at once"],
    ["tatara key import FILE", "your own RSA key, like rotate; the first key signs at once"],
    ["tatara key retire 9BEC6838", "hosts no longer get this old key"],
  ],
  options: {
    secret: { type: "boolean", help: "export: the secret key" },
    output: {
      type: "string",
      value: "file",
      help: "export: into a new file that only you can read",
    },
    after: { type: "string", value: "duration", help: "rotate, import: sign after 36h, 14d" },
    now: { type: "boolean", help: "rotate, import: sign at once" },
    force: { type: "boolean", help: "retire: though metadata is signed by it" },
  },
  positionalsMax: 2,
  run: async (context) => {
    const [name = "show", argument] = context.positionals;
    const action = ACTIONS[name];
    if (action === undefined) {
      throw new CommandError(EXIT.usage, `There is no command key ${name}.`, "tatara help key");
    }
    const { dataDir } = readClientConfig(context.env);
    const keys = { ...keyFolders(dataDir), now: context.now };
    await requireOwner(keys.keysDir);
    try {
      return await action({ context, keys, yumDir: join(dataDir, "yum"), argument });
    } catch (err) {
      if (err instanceof KeyRefused) throw new CommandError(EXIT.failed, err.message, err.hint);
      if (err instanceof InfraFault) throw new CommandError(EXIT.errored, err.message);
      throw err;
    }
  },
};

interface Request {
  readonly context: CommandContext;
  readonly keys: KeyContext;
  readonly yumDir: string;
  readonly argument: string | undefined;
}

const ACTIONS: Readonly<Record<string, (request: Request) => Promise<ExitCode>>> = {
  show: async ({ context, keys }) => {
    const ring = await requireRing(keys);
    return tell(ring, context);
  },
  export: async (request) => {
    const { context, keys, argument } = request;
    const ring = await requireRing(keys);
    const output = context.text("output");
    if (context.flag("secret")) return await backUp(ring, request);
    const text = argument === undefined ? servedText(ring) : findKey(ring, argument).publicKey;
    if (output === undefined) context.printer.bytes(Buffer.from(text));
    else await writeNew(resolve(context.cwd, output), Buffer.from(text));
    return EXIT.ok;
  },
  rotate: async ({ context, keys }) => {
    const ring = await rotate(keys, afterMs(context), context.signal);
    return tell(ring, context);
  },
  import: async ({ context, keys, argument }) => {
    if (argument === undefined) throw usage("tatara key import FILE");
    const request = { path: resolve(context.cwd, argument), afterMs: afterMs(context) };
    return tell(await importKey(keys, request, context.signal), context);
  },
  retire: async ({ context, keys, yumDir, argument }) => {
    if (argument === undefined) throw usage("tatara key retire FINGERPRINT");
    const { fingerprint } = findKey(await requireRing(keys), argument);
    const signed = await metadataSignedBy(yumDir, fingerprint);
    if (signed.length > 0 && !context.flag("force")) {
      const message = `The newest metadata of ${signed.join(", ")} is signed by ${fingerprint}.`;
      const hint = "publish to them first, or --force: new hosts will refuse them until then";
      throw new CommandError(EXIT.failed, message, hint);
    }
    return tell(await retire(keys, fingerprint, context.signal), context);
  },
};

function tell(ring: KeyRing, context: CommandContext): ExitCode {
  if (context.isJson) context.printer.json(keyFactsOf(ring, context.now()));
  else for (const line of showRing(ring, context.now())) context.printer.answer(...line);
  return EXIT.ok;
}

async function backUp(ring: KeyRing, { context, keys, argument }: Request): Promise<ExitCode> {
  const output = context.text("output");
  if (output === undefined) throw usage("tatara key export --secret --output FILE");
  const found = argument === undefined ? signingKey(ring, keys.now()) : findKey(ring, argument);
  if (found === undefined) throw new CommandError(EXIT.notFound, "No key signs yet.");
  const { fingerprint } = found;
  const secret = await exportSecret(keys, fingerprint, context.signal);
  await writeNew(resolve(context.cwd, output), secret);
  context.printer.progress(`The secret key ${fingerprint} is in ${output}.`);
  context.printer.progress("Whoever has this file can sign packages for your hosts.");
  return EXIT.ok;
}

/** Never over another file, and readable by nobody else. */
async function writeNew(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, "wx", 0o600).catch((err: NodeJS.ErrnoException) => {
    const why = err.code === "EEXIST" ? "is there already" : `cannot be written: ${err.message}`;
    throw new CommandError(EXIT.usage, `${path} ${why}.`);
  });
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

function afterMs(context: CommandContext): number {
  const text = context.text("after");
  if (context.flag("now")) {
    if (text === undefined) return 0;
    throw usage("--now, or --after <duration>");
  }
  if (text === undefined) return OVERLAP_DAYS * DAY_MS;
  const [, amount, unit] = /^(\d{1,6})([dhms])$/.exec(text) ?? [];
  const ms = Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  if (ms <= AFTER_MAX_MS) return ms;
  throw new CommandError(EXIT.usage, `--after ${text}: 36h or 14d is expected, a year at most`);
}

async function requireRing({ keysDir }: KeyContext): Promise<KeyRing> {
  const ring = await readRing(keysDir);
  if (ring !== undefined) return ring;
  const hint = "the publish worker makes one when it first starts; tatara key import brings yours";
  throw new CommandError(EXIT.notFound, `There is no key in ${keysDir} yet.`, hint);
}

/** What another user wrote here, the publish worker could not read. */
async function requireOwner(keysDir: string): Promise<void> {
  const uid = process.getuid?.();
  const nearest = await nearestFolder(keysDir);
  if (uid === undefined || nearest.uid === uid) return;
  const message = `${nearest.path} belongs to another user, who alone may work with the keys.`;
  throw new CommandError(EXIT.usage, message, `sudo -u '#${nearest.uid}' tatara key …`);
}

async function nearestFolder(
  path: string,
): Promise<{ readonly path: string; readonly uid: number }> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined || dirname(path) === path) return { path, uid: found?.uid ?? 0 };
  return await nearestFolder(dirname(path));
}

function usage(hint: string): CommandError {
  return new CommandError(EXIT.usage, "Something is missing or too much.", hint);
}
