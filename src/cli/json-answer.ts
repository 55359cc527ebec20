import type { CommandContext } from "./command.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

/** One object as JSON, whole or only the fields that were asked for. */
export function answerJson(context: CommandContext, value: object): void {
  context.printer.json(context.fields === undefined ? value : pick(value, context.fields));
}

function pick(value: object, fields: readonly string[]): object {
  const known = new Map<string, unknown>(Object.entries(value));
  const missing = fields.filter((field) => !known.has(field));
  if (missing.length > 0) {
    const all = [...known.keys()].join(", ");
    throw new CommandError(EXIT.usage, `No such field: ${missing.join(", ")}.`, `fields: ${all}`);
  }
  return Object.fromEntries(fields.map((field) => [field, known.get(field)]));
}
