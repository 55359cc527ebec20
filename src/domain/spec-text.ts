/** A backslash at the end of a line would take the next line along. */
const LINE_END = /[\s\\]+$/;

/** Text of a person for one line of a spec: a newline ends nothing, and `%` means only itself. */
export function specLine(text: string): string {
  return text.replace(/\s+/g, " ").trimStart().replace(LINE_END, "").replaceAll("%", "%%");
}

/**
 * Text of a person for `%description` or `%changelog`. rpm looks for sections and conditions after it
 * has undone the doubling of `%`, and drops comments, so no line may begin with `%` or `#`: such a one is
 * joined to the line before.
 */
export function specBlock(text: string): string {
  const lines: string[] = [];
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(LINE_END, "");
    if (!/^\s*[%#]/.test(line)) lines.push(line);
    else lines.push([lines.pop() || "…", line.trimStart()].join(" "));
  }
  return lines.join("\n").trim().replaceAll("%", "%%");
}

/** A path for `%files`: quoted, with rpm's own wildcards and quotes made plain. */
export function specPath(path: string): string {
  const plain = path.replace(/[\\"*?[\]{}]/g, (sign) => `\\${sign}`).replaceAll("%", "%%");
  return `"${plain}"`;
}

/** For the shell in a scriptlet. */
export function specShellWord(text: string): string {
  if (/^[A-Za-z0-9_@./:+-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", `'\\''`)}'`.replaceAll("%", "%%");
}
