const TEXT_MAX = 1_000;

/** A header's text as the server keeps it. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim().slice(0, TEXT_MAX);
}
