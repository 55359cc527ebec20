import { parseCron } from "../domain/cron.ts";
import type { Finding } from "./pipeline-mistake.ts";
import { quoted } from "./pipeline-mistake.ts";

const FIELDS = 'minute hour day month weekday, in UTC: "0 3 * * *"';
const SCHEDULE_LENGTH_MAX = 200;

/** Why the text is no schedule, or undefined. */
export function scheduleMistake(text: string): Finding | undefined {
  if (text.length > SCHEDULE_LENGTH_MAX) {
    const message = `${quoted(text)} is too long for a schedule`;
    return { code: "SCHEDULE_INVALID", message, hint: FIELDS };
  }
  const parsed = parseCron(text);
  if (parsed.kind === "cron") return undefined;
  if (text.includes(" "))
    return { code: "SCHEDULE_INVALID", message: parsed.problem, hint: FIELDS };
  const message = `${quoted(text)} is no schedule`;
  return { code: "SCHEDULE_INVALID", message, hint: `\`nightly\`, \`weekly\`, or ${FIELDS}` };
}
