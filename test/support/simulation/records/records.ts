import type { Rules } from "../rules.ts";
import { Builds } from "./builds.ts";
import { Jobs } from "./jobs.ts";
import { Lives } from "./lives.ts";
import { Publishes } from "./publishes.ts";
import { Reconciler } from "./reconciler.ts";

/**
 * The smallest keeper of records that the rules can be run on: what the store does in SQL, done in
 * memory, one transaction a call. It decides nothing by itself.
 */
export class Records {
  readonly lives: Lives;
  readonly builds: Builds;
  readonly jobs: Jobs;
  readonly publishes: Publishes;
  readonly reconciler: Reconciler;

  constructor(rules: Rules) {
    this.lives = new Lives(rules);
    this.builds = new Builds(this.lives);
    this.jobs = new Jobs(this.lives);
    this.publishes = new Publishes(this.lives);
    this.reconciler = new Reconciler(this.lives, this.jobs, this.publishes);
  }
}
