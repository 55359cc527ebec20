/** Parts of spec files for the corpus. */

export function preamble(name: string, lines: readonly string[] = []): string {
  return [
    "%global debug_package %{nil}",
    `Name: ${name}`,
    "Version: 1.0",
    "Release: 1",
    `Summary: The package ${name}`,
    "License: MIT",
    ...lines,
    "",
  ].join("\n");
}

export function section(head: string, ...lines: readonly string[]): string {
  return `${[head, ...lines].join("\n")}\n`;
}

/** Two entries per day from the second on, so that their times collide. */
export function changelogLines(entries: number): readonly string[] {
  return Array.from({ length: entries }, (_, index) => {
    const day = String(28 - Math.floor(index / 2)).padStart(2, "0");
    const author = index % 3 === 0 ? "Ada Ü. <ada@example.com> - 1.0-1  " : "Bob";
    return [`* Wed Feb ${day} 2024 ${author}`, `- Change <${index}> & more`, "  Ünd weiter.", ""];
  }).flat();
}
