import { expect, test } from "vitest";
import { openPage, startBrowser } from "../support/browser.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { startTatara, type Tatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";

const LINES = 200;
const PRINT = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.04; done`;
const WANTED = Array.from({ length: LINES }, (_none, index) => index + 1);
const BUILD = "view/tiny#1";

function numbersIn(text: string): readonly number[] {
  return [...text.matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number));
}

/** Ends the server, and returns once another one answers. */
async function killServer(tatara: Tatara): Promise<void> {
  const before = tatara.supervisor.restartCount("server");
  tatara.kill("server");
  await until(() => tatara.supervisor.restartCount("server") > before, true);
  const isUp = () =>
    tatara.fetch("/healthz").then(
      ({ status }) => status === 200,
      () => false,
    );
  await until(isUp, true);
}

async function pushSlowRepo(tatara: Tatara): Promise<void> {
  const repo = await tatara.createRepo("view/tiny", tinyRepo({ test: PRINT }));
  await repo.push();
  await until(() => lastLine(tatara), true, { deadlineMs: 300_000 });
}

/** Has anything been printed yet? */
async function lastLine(tatara: Tatara): Promise<boolean> {
  const text = await tatara.log(BUILD, "test").catch(() => "");
  return text.includes("line 10\n");
}

test("a log that is being read goes on across two kills of the server: no line missing, none doubled", async () => {
  await using tatara = await startTatara();
  const browser = await startBrowser();
  try {
    await pushSlowRepo(tatara);
    const { page } = await openPage(browser);
    await page.goto(tatara.supervisor.loginUrl() ?? "");
    await page.goto(`${tatara.url}/repos/view/tiny/1/test`);
    await page.locator('.t:text-is("line 20")').waitFor();

    await killServer(tatara);
    await killServer(tatara);

    await page.locator(`.t:text-is("line ${LINES}")`).waitFor({ timeout: 60_000 });
    // Rows far above are taken out of the page; what is there must be whole.
    const texts = await page.locator(".log-chunk .t").allTextContents();
    const shown = numbersIn(texts.join(""));
    expect(shown.length).toBeGreaterThan(20);
    expect(shown).toEqual(WANTED.slice(-shown.length));
    expect(numbersIn(await tatara.log(BUILD, "test"))).toEqual(WANTED);
    await tatara.until(BUILD, "passed");
    // The page itself has caught up too, without being touched.
    await expect.poll(() => page.title(), { timeout: 40_000 }).toContain("passed");
    expect(await page.locator(".lost").isVisible()).toBe(false);
  } finally {
    await browser.close();
  }
});

test("a stream of events resumes by its last id: what was shown already does not come again", async () => {
  await using tatara = await startTatara();
  await pushSlowRepo(tatara);
  const versions: string[] = [];
  const stop = new AbortController();
  const reading = readEvents(tatara, versions, stop.signal);
  await until(() => versions.length > 0, true);

  await killServer(tatara);
  await tatara.until(BUILD, "passed");
  await killServer(tatara);
  await until(() => isNewest(tatara, versions.at(-1) ?? ""), true);
  await killServer(tatara);
  await until(() => isNewest(tatara, versions.at(-1) ?? ""), true);
  stop.abort();
  await reading;

  const repeated = versions.filter((version, index) => version === versions[index - 1]);
  expect(repeated).toEqual([]);
});

/** Does the server say that this version of the page is today's? */
async function isNewest(tatara: Tatara, version: string): Promise<boolean> {
  const accept = "application/vnd.tatara.fragment";
  const path = `/repos/view/tiny/1?_have=${version}`;
  const answer = await tatara.fetch(path, { headers: { accept } }).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 204;
}

/** As a browser does: listens, and comes back with the id that it heard last. */
async function readEvents(tatara: Tatara, ids: string[], stop: AbortSignal): Promise<void> {
  const read = async (): Promise<void> => {
    const last = ids.at(-1);
    const headers = {
      accept: "text/event-stream",
      ...(last === undefined ? {} : { "last-event-id": last }),
    };
    const answer = await tatara.fetch("/repos/view/tiny/1", { headers, signal: stop });
    if (answer.body === null) return;
    let rest = "";
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("id: ")) ids.push(line.slice("id: ".length));
    }
  };
  while (!stop.aborted) {
    // The server is away, or ended in the middle: it is asked again.
    await read().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
