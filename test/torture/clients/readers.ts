import type { Ran } from "./debian-root.ts";
import type { ServedTarget } from "./served-files.ts";

/** Programs of one Debian that read what is served, from a folder with all of it. */
export interface Readers {
  /** `createrepo_c 1.2.0 and rpm 4.20.1 of trixie`. */
  readonly title: string;
  /** From createrepo_c 1.0 on. */
  readonly readsZstd: boolean;
  /** The folder as these programs see it. */
  readonly folder: string;
  /** An empty folder of theirs, for what they write. */
  readonly scratch: string;
  run(line: string): Promise<Ran>;
}

/** Every program on every target: answers what went wrong. */
export async function provePrograms(
  readers: Readers,
  targets: readonly ServedTarget[],
  keyPath: string,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const note = async (what: string, prove: () => Promise<void>): Promise<void> => {
    await prove().catch((err: unknown) => {
      problems.push(`${readers.title}: ${what}: ${(err as Error).message}`);
    });
  };
  await note("rpmkeys", () => checkSignatures(readers, keyPath));
  for (const target of targets) {
    if (target.compression === "zstd" && !readers.readsZstd) continue;
    const { place } = target;
    await note(`createrepo_c's parser on ${place}`, () => parse(readers, target));
    await note(`createrepo_c --update on ${place}`, () => update(readers, target));
    await note(`mergerepo_c on ${place}`, () => merge(readers, target));
    await note(`modifyrepo_c on ${place}`, () => modify(readers, target));
    if (target.compression === "zstd") continue;
    await note(`gzip and ElementTree on ${place}`, () => walk(readers, target));
  }
  return problems;
}

async function good(readers: Readers, line: string): Promise<string> {
  const { code, output, stdout } = await readers.run(line);
  if (code !== 0) throw new Error(`${line}\nended with ${code}:\n${output.slice(-2_000)}`);
  return stdout;
}

/** With `signature`, rpm also refuses what is not signed at all. */
async function checkSignatures(readers: Readers, keyPath: string): Promise<void> {
  const { folder, scratch } = readers;
  const db = `--dbpath ${scratch}/rpmdb`;
  await good(readers, `mkdir -p ${scratch}/rpmdb && rpmkeys ${db} --import ${keyPath}`);
  const list = `find ${folder} -name '*.rpm' | sort -t/ -k1,1 | xargs rpmkeys ${db}`;
  const verdicts = await good(readers, `${list} --define '_pkgverify_level signature' -K`);
  const files = Number(await good(readers, `find ${folder} -name '*.rpm' | wc -l`));
  const accepted = verdicts.match(/: digests signatures OK$/gm)?.length ?? 0;
  if (accepted !== files) throw new Error(`${accepted} of ${files} accepted`);
}

function same(found: readonly string[], { nevras }: ServedTarget): void {
  const sorted = found.toSorted();
  if (JSON.stringify(sorted) === JSON.stringify(nevras)) return;
  throw new Error(`${sorted.length} packages of ${nevras.length}`);
}

/** What a folder with `repodata` lists, by createrepo_c's own library. */
async function listedIn(readers: Readers, repo: string): Promise<readonly string[]> {
  return JSON.parse(await python(readers, PARSE, repo)) as string[];
}

async function parse(readers: Readers, target: ServedTarget): Promise<void> {
  same(await listedIn(readers, `${readers.folder}/${target.place}`), target);
}

/** It takes every package from our metadata: none is read anew. */
async function update(readers: Readers, target: ServedTarget): Promise<void> {
  const from = `${readers.folder}/${target.place}`;
  const to = `${readers.scratch}/update`;
  const options = `--update --skip-stat --update-md-path ${from} --outputdir ${to} --verbose`;
  await good(readers, `rm -rf ${to} && mkdir ${to}`);
  const { code, output } = await readers.run(`createrepo_c ${options} ${from}`);
  if (code !== 0) throw new Error(output.slice(-2_000));
  const reused = output.match(/CACHE HIT/g)?.length ?? 0;
  if (reused !== target.nevras.length) {
    throw new Error(`${reused} of ${target.nevras.length} reused`);
  }
  same(await listedIn(readers, to), target);
}

async function merge(readers: Readers, target: ServedTarget): Promise<void> {
  const to = `${readers.scratch}/merged`;
  const from = `${readers.folder}/${target.place}`;
  await good(readers, `rm -rf ${to} && mergerepo_c --all --repo ${from} --outputdir ${to}`);
  same(await listedIn(readers, to), target);
}

async function modify(readers: Readers, target: ServedTarget): Promise<void> {
  const to = `${readers.scratch}/modified`;
  const from = `${readers.folder}/${target.place}`;
  const copy = `rm -rf ${to} && mkdir ${to} && cp -r ${from}/repodata ${to}/`;
  await good(readers, `${copy} && echo more > ${to}/more.txt`);
  await good(readers, `modifyrepo_c --mdtype more ${to}/more.txt ${to}/repodata`);
  same(await listedIn(readers, to), target);
}

async function walk(readers: Readers, target: ServedTarget): Promise<void> {
  const found = JSON.parse(await python(readers, WALK, `${readers.folder}/${target.place}`)) as {
    readonly said: number;
    readonly found: number;
  }[];
  const count = target.nevras.length;
  const isWhole =
    found.length === 3 && found.every((each) => each.said === count && each.found === count);
  if (!isWhole) throw new Error(`${count} packages: ${JSON.stringify(found)}`);
}

async function python(readers: Readers, script: string, argument: string): Promise<string> {
  return await good(readers, `/usr/bin/python3 -c '${script}' ${argument}`);
}

const PARSE = `
import createrepo_c, json, sys
metadata = createrepo_c.Metadata()
metadata.locate_and_load_xml(sys.argv[1])
packages = [metadata.get(key) for key in metadata.keys()]
print(json.dumps(["%s-%s:%s-%s.%s" % (p.name, p.epoch, p.version, p.release, p.arch) for p in packages]))
`;

const WALK = `
import glob, gzip, json, sys, xml.etree.ElementTree as tree
answers = []
for name in ["primary", "filelists", "other"]:
    path, = glob.glob("%s/repodata/*-%s.xml.gz" % (sys.argv[1], name))
    root = tree.fromstring(gzip.open(path).read())
    answers.append({"said": int(root.get("packages")), "found": len(list(root))})
print(json.dumps(answers))
`;
