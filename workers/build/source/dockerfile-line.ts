/**
 * Line of an instruction in a Dockerfile, found by its text as the engine announced it (continued
 * lines joined), and by its number where the same text stands twice. From 1; undefined when unsure.
 */
export function lineOfInstruction(
  dockerfile: string,
  { text, number }: { readonly text: string; readonly number: number | undefined },
): number | undefined {
  const instructions = readInstructions(dockerfile);
  const wanted = plain(text);
  const numbered = number === undefined ? undefined : instructions[number - 1];
  if (numbered && plain(numbered.text) === wanted) return numbered.line;
  return instructions.find((instruction) => plain(instruction.text) === wanted)?.line;
}

interface Instruction {
  readonly line: number;
  readonly text: string;
}

function readInstructions(dockerfile: string): readonly Instruction[] {
  const escape = /^#\s*escape\s*=\s*`/im.test(dockerfile.split("\n").slice(0, 5).join("\n"))
    ? "`"
    : "\\";
  const instructions: Instruction[] = [];
  let open: { line: number; text: string } | undefined;
  for (const [index, raw] of dockerfile.split(/\r?\n/).entries()) {
    const line = raw.trim();
    // Comments and empty lines inside a continued instruction are skipped too.
    if (line === "" || line.startsWith("#")) continue;
    const isContinued = line.endsWith(escape);
    const text = isContinued ? line.slice(0, -1) : line;
    open = open ? { line: open.line, text: open.text + text } : { line: index + 1, text };
    if (isContinued) continue;
    instructions.push(open);
    open = undefined;
  }
  if (open) instructions.push(open);
  return instructions;
}

/** The engine joins lines and keeps most spaces; none of them tell one instruction from another. */
function plain(text: string): string {
  return text.replace(/\s+/g, "").toLowerCase();
}
