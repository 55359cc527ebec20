/** Shorter values would be found by chance. */
export const SECRET_BYTES_MIN = 8;
const BASE64_OFFSETS = 3;

/** The ways in which a value may stand somewhere without being plain to see. */
export function spellingsOf(value: string): readonly Buffer[] {
  const bytes = Buffer.from(value);
  if (bytes.length < SECRET_BYTES_MIN) return [];
  const json = JSON.stringify(value).slice(1, -1);
  const texts = [
    value,
    json,
    encodeURIComponent(value),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    ...base64Of(bytes),
  ];
  return [...new Set(texts)].map((text) => Buffer.from(text));
}

/** Whatever stands before it: what of its base64 does not depend on the neighbours. */
function base64Of(bytes: Buffer): readonly string[] {
  const found: string[] = [];
  for (let offset = 0; offset < BASE64_OFFSETS; offset += 1) {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const start = Math.ceil((offset * 8) / 6);
    const end = Math.floor(((offset + bytes.length) * 8) / 6);
    const own = text.slice(start, end);
    found.push(own, own.replaceAll("+", "-").replaceAll("/", "_"));
  }
  return found;
}
