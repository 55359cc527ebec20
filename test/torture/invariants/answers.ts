import type { Tatara } from "../../support/start-tatara.ts";

const BUILDS_MAX = 60;

/** What people and programs are answered: lists, pages, builds and their logs. */
export async function* answersOf(tatara: Tatara) {
  const listed = (await tatara.api(`/api/builds?limit=${BUILDS_MAX}`)) as {
    readonly builds: readonly { readonly id: string; readonly repo: string; number: number }[];
  };
  const paths = [
    "/",
    "/api/queue",
    "/metrics",
    "/healthz",
    "/api/builds",
    ...listed.builds.flatMap(({ id, repo, number }) => [
      `/api/builds/${id}`,
      `/repos/${repo}/${number}`,
    ]),
  ];
  for (const name of paths) {
    const response = await tatara.fetch(name);
    yield { name, bytes: new Uint8Array(await response.arrayBuffer()) };
  }
}
