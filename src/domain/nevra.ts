/** A package's identity: name, epoch, version, release, architecture. */
export interface Nevra {
  readonly name: string;
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
  /** `src` for a source package. */
  readonly arch: string;
}

/** `hello-1.0-1.el9.x86_64`, with the epoch only when it is not 0. */
export function formatNevra({ name, epoch, version, release, arch }: Nevra): string {
  return `${name}-${epoch === 0 ? "" : `${epoch}:`}${version}-${release}.${arch}`;
}

/** The file name that rpm gives such a package. */
export function rpmFileName({ name, version, release, arch }: Nevra): string {
  return `${name}-${version}-${release}.${arch}.rpm`;
}
