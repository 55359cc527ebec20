const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const LETTERS = 12;
const POOL_BYTES = 4_096;

/**
 * Opaque ids such as `b-3k9q…`: 60 random bits in lower-case letters and digits, short in addresses
 * and safe as a name anywhere. Random bytes are drawn by the page, since a push takes five ids.
 */
export function createIds(random: (bytes: number) => Uint8Array): (prefix: string) => string {
  let pool: Uint8Array = new Uint8Array();
  let next = 0;
  return (prefix) => {
    if (next + LETTERS > pool.length) {
      pool = random(POOL_BYTES);
      next = 0;
    }
    let id = `${prefix}-`;
    for (let letter = 0; letter < LETTERS; letter += 1, next += 1) {
      id += ALPHABET[(pool[next] ?? 0) % ALPHABET.length];
    }
    return id;
  };
}
