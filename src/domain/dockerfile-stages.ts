const FROM = /^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*\S+(?:[ \t]+AS[ \t]+(\S+))?[ \t]*$/i;

/** The stages of a Dockerfile in their order, by name; null for one without. */
export function dockerfileStages(content: string): readonly (string | null)[] {
  const lines = content.replace(/\\[ \t]*\r?\n/g, " ").split(/\r?\n/);
  return lines.flatMap((line) => {
    const found = FROM.exec(line.slice(0, 2_000));
    return found === null ? [] : [found[1] ?? null];
  });
}
