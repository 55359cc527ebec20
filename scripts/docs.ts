import { readFile, writeFile } from "node:fs/promises";
import { withTables } from "./pipeline-tables.ts";

// What of the documentation is made from the source; a test holds both equal.
const page = new URL("../docs/reference/pipeline-file.md", import.meta.url);
await writeFile(page, withTables(await readFile(page, "utf8")));
