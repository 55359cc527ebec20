/** A field of a protobuf message: a number, or the bytes of a text, of bytes or of a message. */
export type Field =
  | { readonly number: number; readonly value: number }
  | { readonly number: number; readonly bytes: Buffer };

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

/** The fields of a message in their order; what is cut off at its end is left out. */
export function* readFields(message: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < message.length; scale *= 128) {
      const byte = message[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < message.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    const kind = key % 8;
    if (kind === VARINT) yield { number, value: varint() };
    else if (kind === FIXED_64) at += 8;
    else if (kind === FIXED_32) at += 4;
    else if (kind === BYTES) {
      const length = varint();
      yield { number, bytes: message.subarray(at, at + length) };
      at += length;
    } else return;
  }
}

/** A message's field of bytes, text or another message. */
export function bytesField(number: number, bytes: Buffer | string): Buffer {
  const body = Buffer.from(bytes);
  return Buffer.concat([varintOf(number * 8 + BYTES), varintOf(body.length), body]);
}

export function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varintOf(number * 8 + VARINT), varintOf(value)]);
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
