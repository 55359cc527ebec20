const encoder = new TextEncoder();
const scratch = new Uint8Array(12_288);
/** A key is below this. */
export const NAME_KEYS = 2 ** 48;

/**
 * 48 bits of hash of a name, for look-ups; part of the format of `index.bin`. It need not resist
 * anybody: whoever finds two names with one key makes us read one header more. Two 32-bit lanes over
 * the UTF-8 bytes, mixed as MurmurHash3 does at its end.
 */
export function nameKey(name: string): number {
  let high = 0x9747b28c;
  let low = 0x3c6ef372;
  const bytes = name.length * 3 > scratch.length ? encoder.encode(name) : scratch;
  const length = bytes === scratch ? encoder.encodeInto(name, scratch).written : bytes.length;
  for (let at = 0; at < length; at++) {
    const byte = bytes[at] ?? 0;
    high = Math.imul(high ^ byte, 0x85ebca6b);
    high = (high << 13) | (high >>> 19);
    low = Math.imul(low ^ byte, 0xc2b2ae35);
    low = (low << 15) | (low >>> 17);
  }
  high = mix(high ^ length ^ (low >>> 7));
  low = mix(low ^ Math.imul(high, 0x9e3779b1));
  return high * 65_536 + (low >>> 16);
}

function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
