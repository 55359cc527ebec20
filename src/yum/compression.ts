import { promisify } from "node:util";
import {
  constants,
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from "node:zlib";
import type { Compression } from "./target-state.ts";

/** A member may not unfold to more than this: a bound against hostile or damaged files. */
const OPEN_BYTES_MAX = 2 ** 30;
const GZIP_LEVEL = 6;
/** Half of gzip's bytes in less than its time, see yum-repository.md, section 3.4. */
const ZSTD_LEVEL = 9;

const limit = { maxOutputLength: OPEN_BYTES_MAX };
const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);
const zstdAsync = promisify(zstdCompress);
const unzstdAsync = promisify(zstdDecompress);

const gzipOptions = { level: GZIP_LEVEL };
const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } };

/** One member or frame, whose bytes depend on nothing but `open`. Runs on libuv's threads. */
export async function compress(compression: Compression, open: Buffer): Promise<Buffer> {
  return await (compression === "gzip"
    ? gzipAsync(open, gzipOptions)
    : zstdAsync(open, zstdOptions));
}

/** The same, for what is so small that handing it over takes longer. */
export function compressSync(compression: Compression, open: Buffer): Buffer {
  return compression === "gzip" ? gzipSync(open, gzipOptions) : zstdCompressSync(open, zstdOptions);
}

export async function decompress(compression: Compression, bytes: Buffer): Promise<Buffer> {
  return await (compression === "gzip" ? gunzipAsync(bytes, limit) : unzstdAsync(bytes, limit));
}

/** For a thread that has nothing else to do. */
export function decompressSync(compression: Compression, bytes: Buffer): Buffer {
  return compression === "gzip" ? gunzipSync(bytes, limit) : zstdDecompressSync(bytes, limit);
}
