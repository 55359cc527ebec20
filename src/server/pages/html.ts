/** Markup that is safe to send: made by the `html` tag only. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }

  toString(): string {
    return this.markup;
  }
}

export type HtmlValue = string | number | Html | readonly HtmlValue[] | null | undefined | false;

/**
 * Template tag that escapes every value that is not markup itself, and names characters that deceive
 * the eye. Attributes must be quoted.
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let markup = parts[0] ?? "";
  for (const [index, value] of values.entries()) {
    markup += markupOf(value) + (parts[index + 1] ?? "");
  }
  return new Html(markup);
}

export const NOTHING = new Html("");

function markupOf(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Html) return value.markup;
  if (typeof value === "object") return value.map(markupOf).join("");
  return escapeHtml(typeof value === "number" ? String(value) : plainVisible(value));
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? "");
}

/**
 * Characters that change how their neighbours are shown, or hide: bidirectional controls, C1
 * controls, line separators, byte order mark, tag characters.
 */
const DECEIVING =
  /[\u0080-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/u;
const DECEIVING_ALL = new RegExp(DECEIVING, "gu");

/** Text from outside, escaped, with every deceiving character replaced by its visible name. */
export function escapeVisibly(text: string): string {
  const escaped = escapeHtml(text);
  if (!DECEIVING.test(escaped)) return escaped;
  return escaped.replace(DECEIVING_ALL, (character) => `<b class="mk">${codePoint(character)}</b>`);
}

/** The same for places that take no markup: titles, attributes. Not escaped yet. */
export function plainVisible(text: string): string {
  const pictures = picturesOf(text);
  if (!DECEIVING.test(pictures)) return pictures;
  return pictures.replace(DECEIVING_ALL, (character) => `[${codePoint(character)}]`);
}

/** One line of untrusted text, isolated so that its direction cannot reach its neighbours. */
export function said(text: string): Html {
  return new Html(`<bdi>${escapeVisibly(picturesOf(text))}</bdi>`);
}

/** Untrusted text with its line breaks, for `<pre>`. */
export function saidBlock(text: string): Html {
  return new Html(escapeVisibly(picturesOf(text)));
}

/** Control characters as their pictures (U+2400 and on), but for tab and line feed. */
function picturesOf(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (character) =>
    character === "\u007f" ? "\u2421" : String.fromCharCode(0x2400 + character.charCodeAt(0)),
  );
}

function codePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
