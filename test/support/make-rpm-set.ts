import { makeRpms } from "./make-rpm.ts";
import type { MadeRpm } from "./make-rpm.ts";

/** One of many packages of one spec file. */
export interface SubpackageWish {
  readonly name: string;
  readonly version?: string;
  readonly release?: string;
  readonly epoch?: number;
  /** Lines for its preamble, e.g. `Requires: x`. */
  readonly preamble?: readonly string[];
  /** Paths of files that it installs, empty ones. */
  readonly files?: readonly string[];
}

/** Makes them with one rpmbuild, which is much faster than one each. */
export async function makeRpmSet(
  wishes: readonly SubpackageWish[],
): Promise<ReadonlyMap<string, MadeRpm>> {
  const made = await makeRpms({
    name: "the-set-itself",
    sections: wishes.flatMap(sectionsOf),
    install: wishes.flatMap(({ files = [] }) =>
      files.map((path) => `mkdir -p %{buildroot}$(dirname ${path}); : > %{buildroot}${path}`),
    ),
  });
  const found = wishes.map(({ name, version = "1.0", release = "1" }) => {
    const rpm = made.find(
      ({ fileName }) => fileName === `${name}-${version}-${release}.noarch.rpm`,
    );
    if (rpm === undefined) throw new Error(`rpmbuild made no ${name}-${version}-${release}.`);
    return [name, rpm] as const;
  });
  return new Map(found);
}

function sectionsOf(wish: SubpackageWish): readonly string[] {
  const { name, version = "1.0", release = "1", epoch, preamble = [], files = [] } = wish;
  return [
    `%package -n ${name}`,
    `Version: ${version}`,
    `Release: ${release}`,
    ...(epoch === undefined ? [] : [`Epoch: ${epoch}`]),
    `Summary: ${name}`,
    ...preamble,
    `%description -n ${name}`,
    "For tests.",
    `%files -n ${name}`,
    ...files,
  ];
}
