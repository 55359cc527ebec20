import type { EngineApi } from "../engine-api.ts";

/** Every container of a demo carries it. */
export const DEMO_LABEL = "dev.tatara.demo";
const OUTPUT_CHARACTERS_MAX = 64_000;
const MARK = "tatara-demo:";

/**
 * A host that knows nothing but the `.repo` file. `skip_if_unavailable` is off: with it, as EL and
 * Debian ship dnf, a bad signature would end in "Ignoring repositories" and exit code 0.
 */
const SCRIPT = `
set -eu
mkdir -p /etc/yum.repos.d
printf '%s\\nskip_if_unavailable=0\\n' "$2" > /etc/yum.repos.d/tatara-demo.repo
dnf --assumeyes --disablerepo='*' --enablerepo='tatara-*' --setopt='tatara-*.gpgcheck=1' \\
  --setopt='tatara-*.repo_gpgcheck=1' --setopt=install_weak_deps=0 install "$1"
echo "${MARK}installed $(rpm -q "$1")"
echo "${MARK}runs $("$1" --version)"
`;

export interface DnfInstall {
  readonly exitCode: number;
  /** Name, version, release and architecture of what is installed now. */
  readonly installed: string | undefined;
  /** What the program says with `--version`. */
  readonly version: string | undefined;
  readonly output: string;
}

/** Installs a package in a fresh container, with the signatures of package and metadata checked. */
export async function dnfInstall(options: {
  readonly engine: EngineApi;
  readonly image: string;
  readonly repoFile: string;
  readonly packageName: string;
  readonly demoId: string;
}): Promise<DnfInstall> {
  const { engine, image, repoFile, packageName, demoId } = options;
  const decoder = new TextDecoder();
  let output = "";
  const exitCode = await engine.run(
    {
      image,
      command: ["sh", "-c", SCRIPT, "sh", packageName, repoFile],
      labels: { [DEMO_LABEL]: demoId },
      hostNetwork: true,
    },
    (bytes) => {
      output = (output + decoder.decode(bytes, { stream: true })).slice(-OUTPUT_CHARACTERS_MAX);
    },
  );
  const said = (what: string): string | undefined =>
    new RegExp(`^${MARK}${what} (.+)$`, "m").exec(output)?.[1];
  return { exitCode, installed: said("installed"), version: said("runs"), output };
}
