import type { PipelineKey } from "../domain/pipeline-keys.ts";

/** What an editor offers to write for a key; `${1:text}` is where the cursor goes. */
export interface Snippet {
  readonly label: string;
  readonly description: string;
  readonly body: unknown;
}

/** Offers for the four nouns; undefined for every other key. */
export function snippetsFor({ place, key }: PipelineKey): readonly Snippet[] | undefined {
  return place === "top" || place === "project" ? SNIPPETS[key] : undefined;
}

const SNIPPETS: Readonly<Record<string, readonly Snippet[]>> = {
  image: [
    {
      label: "a Dockerfile",
      description: "build the commit's Dockerfile",
      body: "${1:./Dockerfile}",
    },
    { label: "an image of a registry", description: "pull an image", body: "${1:node:24}" },
    {
      label: "a Dockerfile with options",
      description: "build with options",
      body: { build: "${1:./Dockerfile}", stage: "${2:test}" },
    },
  ],
  test: [
    { label: "one command", description: "the step is called test", body: "${1:make check}" },
    {
      label: "several tests",
      description: "side by side",
      body: { lint: "${1:make lint}", unit: "${2:make check}" },
    },
    {
      label: "a matrix",
      description: "one test for several versions",
      body: {
        unit: {
          matrix: { node: ["22", "24"] },
          image: "node:\\${matrix.node}",
          run: "${1:npm ci && npm test}",
        },
      },
    },
  ],
  package: [
    { label: "a spec file", description: "for the default target", body: "${1:hello.spec}" },
    {
      label: "a spec file, several targets",
      description: "a job for each of them",
      body: { spec: "${1:hello.spec}", for: ["el9", "el10"] },
    },
    {
      label: "no spec file",
      description: "Tatara writes the spec",
      body: {
        name: "${1:hello}",
        version: "from-tag",
        summary: "${2:Greets people}",
        license: "${3:MIT}",
        files: { "/usr/bin/${1:hello}": "${4:dist/hello}" },
      },
    },
  ],
  publish: [
    { label: "one channel", description: "gets the default branch", body: "${1:dev}" },
    {
      label: "a line of channels",
      description: "branches, tags, and what a person promotes",
      body: {
        dev: { branch: "${1:main}" },
        testing: { tag: "${2:v*}" },
        stable: { "promote-from": "testing" },
      },
    },
  ],
};
