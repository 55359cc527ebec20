import { access, constants, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readClientConfig } from "../../shared/config.ts";
import { explainTrouble } from "../backup/explain-trouble.ts";
import { newestBackup } from "../backup/make-backup.ts";
import { MANIFEST, readManifest } from "../backup/manifest.ts";
import { gatherNewer, type Newer } from "../backup/newer-generations.ts";
import { checkBackup, restoreBackup, type Backup } from "../backup/restore-backup.ts";
import { sizeText } from "../backup/size-text.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";

export const restore: Command = {
  name: "restore",
  usage: "<backup>",
  summary: "Puts a backup into an empty data folder; checks every byte of it.",
  examples: [
    ["TATARA_DATA_DIR=/var/lib/tatara tatara restore /srv/backup", "the newest one in that folder"],
    [
      "tatara restore --check /srv/backup/2026-11-22T03-00-00-000Z",
      "reads all of it, writes nothing",
    ],
    [
      "tatara restore /srv/backup --beside-yum",
      "keeps the packages that are there, newer ones too",
    ],
  ],
  options: {
    check: { type: "boolean", help: "say whether the backup is whole, and restore nothing" },
    "beside-yum": {
      type: "boolean",
      help: "the data folder still has its yum files: keep them, and say what of them is newer",
    },
  },
  positionalsMax: 1,
  run: async (context) => {
    const [given] = context.positionals;
    if (given === undefined) {
      throw new CommandError(EXIT.usage, "Which backup?", "tatara restore /srv/backup");
    }
    const backup = await findBackup(resolve(context.cwd, given));
    return context.flag("check") ? await check(context, backup) : await bringBack(context, backup);
  },
};

/** The folder of one backup, or of several: the newest. */
async function findBackup(path: string): Promise<Backup> {
  const isOne = await stat(join(path, MANIFEST)).then(
    () => true,
    () => false,
  );
  if (isOne) return { folder: path, manifest: await readManifest(path) };
  await access(path, constants.R_OK | constants.X_OK).catch((err: unknown) => {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return;
    throw explainTrouble(err, { what: "The backup cannot be read" });
  });
  const newest = await newestBackup(path);
  if (newest !== undefined) return newest;
  const hint = "name the folder that `tatara backup` printed, or the one that holds it";
  throw new CommandError(EXIT.notFound, `There is no backup in ${path}.`, hint);
}

async function check(context: CommandContext, backup: Backup): Promise<ExitCode> {
  const { printer, signal, isJson } = context;
  const damaged = await checkBackup(backup, signal);
  const { header, entries } = backup.manifest;
  const answer = { folder: backup.folder, takenAt: header.takenAt, files: entries.size, damaged };
  if (isJson) printer.json(answer);
  else {
    for (const path of damaged) printer.answer(`  damaged   ${path}`);
    const what = `${backup.folder}: ${entries.size} files of ${header.takenAt}`;
    printer.answer(
      damaged.length === 0 ? `${what}, all whole` : `${what}, ${damaged.length} damaged`,
    );
  }
  return damaged.length === 0 ? EXIT.ok : EXIT.failed;
}

async function bringBack(context: CommandContext, backup: Backup): Promise<ExitCode> {
  const { printer, signal, isJson } = context;
  const { dataDir } = readClientConfig(context.env);
  const besideYum = context.flag("beside-yum");
  const { files, bytes, facts } = await restoreBackup(backup, dataDir, { besideYum, signal });
  const newer = besideYum ? await gatherNewer(dataDir, facts) : undefined;
  const { takenAt, version } = backup.manifest.header;
  const heads = Object.fromEntries(facts.heads);
  if (isJson) {
    const { unknown = [], buildChannels = [] } = newer ?? {};
    const found = { newer: unknown, buildChannels };
    const { builds } = facts;
    printer.json({ dataDir, takenAt, version, files, bytes, builds, heads, ...found });
    return EXIT.ok;
  }
  printer.answer(
    `restored ${dataDir} to ${takenAt}: ${facts.builds} builds, ${files} files, ${sizeText(bytes)}`,
  );
  for (const [channel, head] of facts.heads) {
    if (head > 0) printer.answer(`  ${channel} at generation ${head}`);
  }
  if (newer !== undefined) tellNewer(context, newer);
  printer.progress("Start Tatara; what ran when the backup was taken is built again by itself.");
  return EXIT.ok;
}

/** Nothing of it is deleted; each line is what brings it back. */
function tellNewer({ printer }: CommandContext, { unknown, buildChannels }: Newer): void {
  for (const { channel, newest, head, target, packages } of unknown) {
    const count = packages.length === 1 ? "1 package" : `${packages.length} packages`;
    printer.answer(
      `  ${channel} ${target}: ${count} newer than the backup (generation ${newest}, the backup has ${head})`,
    );
    for (const { nevra } of packages.slice(0, 20)) printer.answer(`    ${nevra}`);
  }
  const added = new Set(unknown.filter((one) => one.isNewChannel).map(({ channel }) => channel));
  const commands = [
    ...[...added].map((channel) => `tatara channel add ${channel}`),
    ...unknown.map(
      ({ channel, folder, target }) =>
        `tatara channel import ${channel} ${folder} --target ${target}`,
    ),
  ];
  if (commands.length > 0) printer.answer("  once it runs:");
  for (const command of commands) printer.answer(`    ${command}`);
  if (added.size > 0) {
    printer.answer("  Settings and parents of the added channels are not in the backup.");
  }
  if (buildChannels.length > 0) {
    printer.answer(
      `  Not brought back: ${buildChannels.join(", ")}. Their builds are not in the backup: push again.`,
    );
  }
  printer.answer(
    "  Promotions, undos and yanks since the backup are not brought back: do them again.",
  );
}
