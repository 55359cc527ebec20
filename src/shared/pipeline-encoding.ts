import { PIPELINE_BYTES_MAX } from "../domain/pipeline-keys.ts";
import type { TextMistake } from "./pipeline-mistake.ts";

export type Decoded =
  | { readonly text: string; readonly mistake?: never }
  | { readonly text: string; readonly mistake: TextMistake };

/** The pipeline file's bytes as text without a byte order mark, or why they are no text. */
export function decodePipeline(bytes: Uint8Array): Decoded {
  const text = textForDisplay(bytes);
  if (bytes.length > PIPELINE_BYTES_MAX) return { text, mistake: tooLarge() };
  if (!isUtf8(bytes, { isWhole: true })) return { text, mistake: notUtf8(bytes) };
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused here
  const control = text.search(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/);
  if (control === -1) return { text };
  const message = `byte ${hexByte(text.charCodeAt(control))} is not text`;
  return { text, mistake: encodingMistake(control, message, "remove it") };
}

/** The file as people are shown it; bytes that are no UTF-8 become U+FFFD. */
export function textForDisplay(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, PIPELINE_BYTES_MAX));
}

function tooLarge(): TextMistake {
  return {
    code: "LIMIT_EXCEEDED",
    start: 0,
    end: 0,
    message: `the file is larger than the limit, ${PIPELINE_BYTES_MAX / 1024 / 1024} MiB`,
    hint: "move long commands into scripts of the repository",
  };
}

function isUtf8(bytes: Uint8Array, { isWhole }: { isWhole: boolean }): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !isWhole });
    return true;
  } catch {
    return false; // The decoder has no other way to say so.
  }
}

/** Blames the first byte that cannot be part of UTF-8. */
function notUtf8(bytes: Uint8Array): TextMistake {
  let good = 0;
  let bad = bytes.length + 1; // As if a byte followed that completes nothing.
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isUtf8(bytes.subarray(0, middle), { isWhole: false })) good = middle;
    else bad = middle;
  }
  // A sequence that was begun and not finished is not in the text: its first byte is to blame.
  const text = new TextDecoder().decode(bytes.subarray(0, good), { stream: true });
  const markBytes = startsWithMark(bytes) ? 3 : 0;
  const byte = bytes[markBytes + new TextEncoder().encode(text).length] ?? 0;
  return encodingMistake(
    text.length,
    `byte ${hexByte(byte)} is not UTF-8`,
    "save the file as UTF-8",
  );
}

function startsWithMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function hexByte(byte: number): string {
  return `0x${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

function encodingMistake(start: number, message: string, hint: string): TextMistake {
  return { code: "FILE_ENCODING", start, end: start + 1, message, hint };
}
