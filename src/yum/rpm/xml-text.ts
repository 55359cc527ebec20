/** Content of an element, as libxml2 writes it. */
export function escapeText(text: string): string {
  if (!/[&<>\r]/.test(text)) return text;
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("\r", "&#13;");
}

/**
 * An attribute's value. libxml2 writes what is not ASCII as numbers where it knows no encoding. What
 * XML forbids stays as it is, so that it is found: as a number it would be just as forbidden.
 */
export function escapeAttribute(text: string): string {
  if (!/["\t\n]/.test(text) && !BEYOND_ASCII.test(text)) return escapeText(text);
  return escapeText(text)
    .replaceAll('"', "&quot;")
    .replaceAll("\t", "&#9;")
    .replaceAll("\n", "&#10;")
    .replaceAll(EACH_BEYOND_ASCII, reference);
}

// oxlint-disable-next-line no-control-regex -- the range of ASCII
const BEYOND_ASCII = /[^\u0000-\u007f\ud800-\udfff\ufffe\uffff]/u;
const EACH_BEYOND_ASCII = new RegExp(BEYOND_ASCII, "gu");

function reference(character: string): string {
  return `&#x${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()};`;
}
