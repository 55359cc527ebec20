import { z } from "zod";

const NAME_MAX = 200;

/** Databases take neither NUL nor half a surrogate pair. */
export function cleaned(text: string, charactersMax: number): string {
  return text.replaceAll("\u0000", "").slice(0, charactersMax).toWellFormed();
}

/** A name or title of a payload. */
export const line = z.string().transform((text) => cleaned(text, NAME_MAX));
