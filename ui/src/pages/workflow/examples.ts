/** What somebody may begin with. Each is saved and run as it is, and reaches for nothing outside. */
import type { Definition } from "../../api/types.ts";

export type Example = { key: string; title: string; teaches: string; definition: Definition };

export const EXAMPLES: Example[] = [
  {
    key: "first",
    title: "Two steps",
    teaches: "One step waits a second; the next reads what it gave.",
    definition: {
      name: "first",
      description: "Waits a second, then says how long it was.",
      steps: [
        { name: "nap", type: "delay", config: { duration: 1 } },
        { name: "told", type: "template", config: { template: "It was ${nap.duration} second." } },
      ],
    },
  },
  {
    key: "approval",
    title: "An approval",
    teaches: "A run waits until somebody decides, by a form in this console.",
    definition: {
      name: "approval",
      description: "Asks before it goes on.",
      steps: [
        {
          name: "ask",
          type: "signal.approval",
          config: {
            question: "Shall the release go out?",
            form: { properties: { version: { type: "string", title: "Which version" } }, required: ["version"] },
            timeout: "24h",
          },
        },
        { name: "release", type: "delay", config: { duration: 1 } },
      ],
    },
  },
  {
    key: "each",
    title: "A loop with an input",
    teaches: "The input has a schema, so that it is asked for by a form; a step is done for each item.",
    definition: {
      name: "each",
      description: "Does something for each item, three at a time.",
      input: {
        type: "object",
        required: ["items"],
        properties: { items: { type: "array", title: "Items", items: { type: "string" }, default: ["one", "two", "three"] } },
      },
      steps: [
        {
          name: "each",
          type: "template",
          foreach: "${payload.items}",
          max_parallel: 3,
          config: { template: "This is ${item}." },
        },
      ],
    },
  },
];
