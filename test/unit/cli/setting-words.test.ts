import { expect, test } from "vitest";
import { parseSettings, settingWords } from "../../../src/cli/channel/setting-words.ts";
import { CommandError } from "../../../src/cli/exit-codes.ts";
import { channelSettings, DEFAULT_CHANNEL_SETTINGS } from "../../../src/shared/channel-settings.ts";

test("only what is typed is set, with the types that the server expects", () => {
  const typed = parseSettings([
    "retention.keepVersions=10",
    "retention.keepTagged=false",
    "repos=acme/*, !acme/other",
    "branchChannels.expireDays=7",
    "metadataExpireSeconds=null",
    "expireDays=14",
  ]);

  expect(typed).toEqual({
    settings: {
      retention: { keepVersions: 10, keepTagged: false },
      repos: ["acme/*", "!acme/other"],
      branchChannels: { expireDays: 7 },
      metadataExpireSeconds: null,
    },
    expireDays: 14,
  });
});

test("null, never and a dash take a value away", () => {
  expect(parseSettings(["branchChannels.expireDays=-", "expireDays=never"])).toEqual({
    settings: { branchChannels: null },
    expireDays: null,
  });
});

test("all mistakes are told at once, and the near key is offered", () => {
  const typed = [
    "layer=off",
    "compression=xz",
    "retention.maxAgeDays=soon",
    "expireDays=x",
    "loud",
  ];

  const message = messageOf(() => parseSettings(typed));

  expect(message).toContain("There is no setting layer. Did you mean layers?");
  expect(message).toContain('compression: Invalid option: expected one of "gzip"|"zstd"');
  expect(message).toContain("retention.maxAgeDays: ");
  expect(message).toContain("expireDays: a number of days, or null, is expected");
  expect(message).toContain("There is no setting loud.");
});

test("every setting that a channel has can be typed, and is shown as it is typed", () => {
  const { retention, ...others } = DEFAULT_CHANNEL_SETTINGS;
  const all = [
    ...Object.keys(others),
    ...Object.keys(retention).map((key) => `retention.${key}`),
  ].map((key) => (key === "branchChannels" ? "branchChannels.expireDays" : key));
  const settings = channelSettings.parse({
    repos: ["acme/*", "b/c"],
    retention: { maxAgeDays: 1.5 },
  });

  const words = settingWords(settings);
  const again = parseSettings(Object.entries(words).map(([key, word]) => `${key}=${word}`));

  expect(Object.keys(words).toSorted()).toEqual([...all, "expireDays"].toSorted());
  expect(again.settings).toEqual(settings);
});

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (err) {
    if (err instanceof CommandError) return err.message;
  }
  throw new Error("It was taken.");
}
