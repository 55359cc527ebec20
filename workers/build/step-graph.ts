/** Something to be done once what it needs has passed. */
export interface GraphNode {
  readonly id: string;
  /** Must have passed before. */
  readonly needs: readonly string[];
  /** Must have ended before, whatever came of it. */
  readonly after?: readonly string[];
  /** Counts against the number of nodes that work side by side. */
  readonly takesTurn: boolean;
  /**
   * Did it pass? What it throws stops the whole graph. It may call `goOn` before, once it is as good
   * as passed: what needs it begins. Should it not pass after all, that is let run to its end.
   */
  run(goOn: () => void): Promise<boolean>;
  /** It will not run: a node that it needs did not pass. */
  skip(missing: string): void;
}

/**
 * Runs nodes as soon as what they need has passed, in the order given. One that does not pass stops
 * nothing but the nodes that need it. Needs that are no nodes count as met. What one node throws is
 * thrown once all that were running have ended; `onError` may stop them early.
 */
export async function runGraph(
  nodes: readonly GraphNode[],
  { atOnce, onError }: { readonly atOnce: number; readonly onError: (err: unknown) => void },
): Promise<void> {
  const ids = new Set(nodes.map(({ id }) => id));
  const passed = new Map<string, boolean>();
  const running = new Map<string, Promise<void>>();
  let waiting: readonly GraphNode[] = nodes;
  let turns = 0;
  const failures: unknown[] = [];

  let news = Promise.withResolvers<void>();

  const start = (node: GraphNode): void => {
    let takesTurn = node.takesTurn;
    if (takesTurn) turns += 1;
    const giveTurn = (): void => {
      if (takesTurn) turns -= 1;
      takesTurn = false;
    };
    const goOn = (): void => {
      if (passed.has(node.id)) return;
      passed.set(node.id, true);
      giveTurn();
      news.resolve();
    };
    const work = node.run(goOn).then(
      (isPassed) => void passed.set(node.id, isPassed),
      (err: unknown) => {
        failures.push(err);
        onError(err);
      },
    );
    const ended = work.finally(() => {
      giveTurn();
      running.delete(node.id);
    });
    running.set(node.id, ended);
  };
  /** Skips and starts what can be; true when that may let others be skipped. */
  const step = (): boolean => {
    let hasSkipped = false;
    waiting = waiting.filter((node) => {
      const needs = node.needs.filter((need) => ids.has(need));
      const missing = needs.find((need) => passed.get(need) === false);
      if (missing !== undefined) {
        node.skip(missing);
        passed.set(node.id, false);
        hasSkipped = true;
        return false;
      }
      const isReady = [...needs, ...(node.after ?? [])].every(
        (id) => !ids.has(id) || passed.has(id),
      );
      if (!isReady || (node.takesTurn && turns >= atOnce)) return true;
      start(node);
      return false;
    });
    return hasSkipped;
  };

  while (failures.length === 0) {
    while (step());
    if (running.size === 0) break;
    await Promise.race([...running.values(), news.promise]);
    news = Promise.withResolvers<void>();
  }
  await Promise.all(running.values());
  if (failures.length > 0) throw failures[0];
  if (waiting.length > 0) throw new Error("Steps need each other in a circle.");
}
