import { resolve } from "node:path";
import { readClientConfig } from "../../shared/config.ts";
import { makeBackup } from "../backup/make-backup.ts";
import { sizeText } from "../backup/size-text.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";

export const backup: Command = {
  name: "backup",
  usage: "<folder>",
  summary: "Copies everything that must survive, while all of it runs.",
  examples: [
    ["tatara backup /srv/backup", "makes /srv/backup/2026-11-22T03-00-00-000Z; holds secrets"],
    ["TATARA_DATA_DIR=/var/lib/tatara tatara backup /srv/backup", "of that data folder"],
  ],
  positionalsMax: 1,
  run: async (context) => {
    const { printer, now, signal } = context;
    const [into] = context.positionals;
    if (into === undefined) {
      throw new CommandError(EXIT.usage, "Where to?", "tatara backup /srv/backup");
    }
    const { dataDir } = readClientConfig(context.env);
    const startedAt = now();
    const made = await makeBackup(dataDir, resolve(context.cwd, into), { now, signal });
    if (context.isJson) printer.json({ ...made, tookMs: now() - startedAt });
    else {
      const { files, bytes, linkedFiles, builds } = made;
      const size = `${files} files, ${sizeText(bytes)}, ${linkedFiles} as in the backup before`;
      printer.answer(made.folder);
      printer.progress(`${builds} builds; ${size}; ${Math.round((now() - startedAt) / 1_000)} s`);
      printer.progress(
        "It holds the signing keys, the secrets' key and the admin token: lock it away.",
      );
    }
    for (const path of made.missing.slice(0, 10)) {
      printer.progress({ ink: "yellow", text: "missing" }, ` ${path}: the database names it`);
    }
    // It is a backup all the same; but what is missing there is missing here.
    return made.missing.length === 0 ? EXIT.ok : EXIT.failed;
  },
};
