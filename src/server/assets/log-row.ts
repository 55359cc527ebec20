/**
 * One row of a log, the same on the server (readers without scripts) and in the browser. `markup`
 * comes from the server's converter, which escapes. Line 0: the row carries on the line before.
 */
export function logRowMarkup(line: number, markup: string): string {
  const number =
    line === 0
      ? '<span class="n"></span>'
      : `<a class="n" href="#L${line}" tabindex="-1">${line}</a>`;
  const id = line === 0 ? "" : ` id="L${line}"`;
  return `<span class="r"${id}>${number}<span class="t">${markup}\n</span></span>`;
}
