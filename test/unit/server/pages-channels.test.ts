import { describe, expect, test } from "vitest";
import { channelPage, type ChannelData } from "../../../src/server/pages/channel.ts";
import { channelsPage } from "../../../src/server/pages/channels.ts";
import type { ChannelView, PackageView } from "../../../src/server/views.ts";
import { aCause, aGeneration, anEmptyChannel, aPackage } from "../../support/memory-read-store.ts";
import { aContext, draw, NOW } from "../../support/page-context.ts";

const listings = [{ channel: "dev", target: "el9.x86_64" }];

function aChannel(some: Partial<ChannelView> = {}): ChannelView {
  return {
    ...anEmptyChannel("dev"),
    head: 3,
    updatedAt: NOW,
    targets: [
      { name: "el9.x86_64", packages: 1 },
      { name: "el9.x86_64-source", packages: 1 },
    ],
    generations: [aGeneration({ number: 3, createdAt: NOW })],
    ...some,
  };
}

function drawn(
  channel: ChannelView,
  versions: readonly PackageView[] = [],
  some: Partial<ChannelData> = {},
  context = aContext(),
): string {
  const packages = { versions, wanted: "", isFirst: true, nextAfter: undefined };
  const data = { channel, packages, keyFingerprint: "aa", target: undefined, ...some };
  return draw(channelPage(data, context), context);
}

describe("a channel's page", () => {
  test("says how to fill an empty one", () => {
    expect(drawn(anEmptyChannel("dev"))).toMatch(/publish: <bdi>dev<\/bdi>/);
  });

  test("subscribes without naming its only target, sources beside it", () => {
    const document = drawn(aChannel(), [aPackage({ publishedAt: NOW, listings })]);

    expect(document).toContain(
      "sudo curl -fsSo /etc/yum.repos.d/tatara-dev.repo https://ci.example.com/yum/dev.repo<",
    );
    expect(document).toContain(
      "sudo dnf config-manager --add-repo https://ci.example.com/yum/dev.repo<",
    );
    expect(document).toContain("--from-repofile=https://ci.example.com/yum/dev.repo<");
    expect(document).toContain("zypper addrepo --refresh https://ci.example.com/yum/dev.repo<");
  });

  test("names the chosen one of several targets, and dnf 4 gets the line that works", () => {
    const targets = [
      { name: "el10.x86_64", packages: 1 },
      { name: "el9.x86_64", packages: 1 },
    ];

    const document = drawn(aChannel({ targets }), [], { target: "el10.x86_64" });

    expect(document).toContain("&#39;https://ci.example.com/yum/dev.repo?target=el10.x86_64&#39;");
    expect(document).not.toContain("--add-repo");
  });

  test("explains two sections where a target has layers, and only there", () => {
    const layered = { "el9.x86_64": 3, "el9.x86_64-base": 3, "el9.x86_64-updates": 3 };
    const generations = [aGeneration({ number: 3, createdAt: NOW, targets: layered })];

    expect(drawn(aChannel({ generations }))).toContain("has two sections");
    expect(drawn(aChannel())).not.toContain("has two sections");
  });

  test("tells what caused each generation, what it changed, and how to stay there", () => {
    const promoted = aCause({
      kind: "edit",
      build: null,
      by: "admin",
      note: "hello-1.4.0-1.x86_64: dev → testing; verified",
    });
    const generations = [
      aGeneration({
        number: 3,
        createdAt: NOW,
        causes: [promoted],
        added: ["hello-1.4.0-1.x86_64"],
        removed: ["hello-1.3.0-1.x86_64"],
      }),
      aGeneration({ number: 2, createdAt: NOW }),
    ];

    const document = drawn(aChannel({ generations }));

    expect(document).toContain("dev → testing; verified");
    expect(document).toContain("by <bdi>admin</bdi>");
    expect(document).toContain(
      'href="/packages/hello?nevra=hello-1.4.0-1.x86_64#chosen"><bdi>hello-1.4.0-1.x86_64',
    );
    expect(document).toContain("baseurl=https://ci.example.com/yum/dev/el9.x86_64/g/2/");
    expect(document).toContain("acme/hello</bdi> #45");
  });

  test("offers the way back to every generation that is kept, but not to the current one", () => {
    const generations = [
      aGeneration({ number: 3, createdAt: NOW }),
      aGeneration({ number: 2, createdAt: NOW }),
      aGeneration({ number: 1, createdAt: NOW, isKept: false }),
    ];

    const document = drawn(aChannel({ generations }));

    expect(document).toContain("/change?kind=undo&amp;channel=dev&amp;to=2");
    expect(document).not.toContain("channel=dev&amp;to=3");
    expect(document).not.toContain("channel=dev&amp;to=1");
  });

  test("offers whoever may only read nothing to do", () => {
    const generations = [3, 2].map((number) => aGeneration({ number, createdAt: NOW }));
    const channel = aChannel({ generations });

    expect(drawn(channel)).toMatch(/\/pins"/);
    const reading = drawn(channel, [], {}, aContext({ visitor: "reader" }));

    expect(reading).not.toMatch(/\/pins"|\/change\?/);
  });

  test("goes on with the next names of the same search", () => {
    const packages = { versions: [], wanted: "lib", isFirst: false, nextAfter: "libz" };

    const document = drawn(aChannel(), [], { packages, target: "el9.x86_64" });

    expect(document).toContain("/channels/dev?target=el9.x86_64&amp;q=lib&amp;after=libz");
    expect(document).toContain('value="lib"');
  });

  test("says its settings in words", () => {
    const settings = anEmptyChannel("dev").settings;
    const channel = aChannel({
      settings: {
        ...settings,
        repos: ["acme/*"],
        retention: { keepVersions: 5, maxAgeDays: 30, keepTagged: true },
      },
    });

    const document = drawn(channel);

    expect(document).toContain("acme/*");
    expect(document).toContain("the newest 5 of each name, 30 days");
  });
});

describe("the page of all channels", () => {
  const dev = aChannel();
  const testing = aChannel({ name: "testing", head: 2 });
  const keyFingerprint = "aa";

  test("says what a promotion would change, and leads to the sheet", () => {
    const promotions = [{ from: "dev", to: "testing", counts: { added: 1, updated: 3 } }];
    const data = { channels: [dev, testing], line: [dev, testing], promotions, keyFingerprint };

    const document = draw(channelsPage(data, aContext()));

    expect(document).toContain("3 updates, 1 new name");
    expect(document).toContain("/change?kind=promote&amp;all=1&amp;from=dev&amp;to=testing");
  });

  test("shows of each channel what came last and is still there", () => {
    const generations = [
      aGeneration({ number: 3, createdAt: NOW, removed: ["gone-1-1.x86_64"] }),
      aGeneration({
        number: 2,
        createdAt: NOW,
        added: ["gone-1-1.x86_64", "hello-1-1.src", "hello-1-1.x86_64"],
      }),
    ];
    const line = [aChannel({ generations })];
    const data = { channels: line, line, promotions: [], keyFingerprint };

    const document = draw(channelsPage(data, aContext()));

    expect(document).toContain("hello-1-1.x86_64</bdi>");
    expect(document).not.toContain("gone-1-1");
    expect(document).not.toContain("hello-1-1.src");
  });

  test("lists channels of branches apart, with the day they end", () => {
    const branch = {
      ...anEmptyChannel("acme.hello.feature"),
      head: 4,
      parent: { name: "dev", number: 410 },
      expiresAt: NOW + 6 * 86_400_000,
    };
    const data = { channels: [dev, branch], line: [dev], promotions: [], keyFingerprint };

    const document = draw(channelsPage(data, aContext()));

    expect(document.indexOf("Branches, pull requests")).toBeLessThan(
      document.indexOf("acme.hello.feature"),
    );
    expect(document).toMatch(/in 6 days/);
    expect(document).toContain('href="/channels/dev#g410"');
  });
});
