/**
 * Where each frame of a zstd file ends (RFC 8878, section 3.1). Node's decoder needs to know: what
 * follows a frame in the same write is lost without an error. Throws Error for what is no zstd.
 */
export function zstdFrameEnds(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const ends: number[] = [];
  try {
    for (let at = 0; at < bytes.length; ends.push(at)) at = frameEnd(view, at);
  } catch (error) {
    if (error instanceof RangeError) throw new Error("It is cut off.", { cause: error });
    throw error;
  }
  if ((ends.at(-1) ?? 0) > bytes.length) throw new Error("It is cut off.");
  return ends;
}

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const RAW_DICTIONARY_BYTES = [0, 1, 2, 4] as const;
const RLE = 1;

function frameEnd(view: DataView, start: number): number {
  const magic = view.getUint32(start, true);
  if ((magic & 0xffff_fff0) >>> 0 === SKIPPABLE) return start + 8 + view.getUint32(start + 4, true);
  if (magic !== MAGIC) throw new Error("It is no zstd.");
  const descriptor = view.getUint8(start + 4);
  const hasChecksum = (descriptor & 4) !== 0;
  let at = start + 5 + headerRest(descriptor);
  for (let isLast = false; !isLast;) {
    const block = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    isLast = (block & 1) !== 0;
    at += 3 + (((block >> 1) & 3) === RLE ? 1 : block >> 3);
  }
  return at + (hasChecksum ? 4 : 0);
}

/** Bytes of window, dictionary and content size, as the frame's descriptor says. */
function headerRest(descriptor: number): number {
  const isSingle = (descriptor & 32) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? Number(isSingle) : 1 << sizeFlag;
  return (isSingle ? 0 : 1) + (RAW_DICTIONARY_BYTES[descriptor & 3] ?? 0) + sizeBytes;
}
