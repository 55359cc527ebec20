import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { INSTALL_DIR } from "../processes/process-table.ts";

export const version: Command = {
  name: "version",
  usage: "",
  summary: "Which Tatara this is, and which Node runs it.",
  examples: [["tatara version", "tatara 0.1.0, node 24.21.0"]],
  positionalsMax: 0,
  run: async ({ printer, isJson }) => {
    const text = await readFile(join(INSTALL_DIR, "package.json"), "utf8");
    const tatara = (JSON.parse(text) as { readonly version: string }).version;
    const node = process.versions.node;
    if (isJson) printer.json({ tatara, node });
    else printer.answer(`tatara ${tatara}, node ${node}`);
    return EXIT.ok;
  },
};
