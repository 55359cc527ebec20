import type { Nevra } from "../../domain/nevra.ts";

/** Takes `hello-1:1.0-1.el9.x86_64` apart; undefined for what is none. */
export function parseNevra(nevra: string): Nevra | undefined {
  const parts = /^(.+)-(?:(\d+):)?([^-:]+)-([^-]+)\.([^.-]+)$/s.exec(nevra);
  const [, name, epoch = "0", version, release, arch] = parts ?? [];
  if (name === undefined || version === undefined || release === undefined || arch === undefined)
    return undefined;
  return { name, epoch: Number(epoch), version, release, arch };
}

/** Every binary package provides its own name in its own version. */
export function ownEvr({ epoch, version, release }: Nevra): string {
  return `${epoch}:${version}-${release}`;
}
