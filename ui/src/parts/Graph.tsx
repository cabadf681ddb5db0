/** The graph of a definition, laid out by itself; with the states of a run, where there is one. */
import { Graph as Layout, layout } from "@dagrejs/dagre";
import { Background, Controls, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useMemo } from "react";
import type { Definition, StepResult } from "../api/types.ts";
import { edges, parts } from "../model/graph.ts";
import { stateOf } from "../model/states.ts";
import { useTheme } from "./theme.ts";

const [WIDTH, HEIGHT] = [184, 58];

const HANDLES = [
  { type: "source" as const, position: Position.Right, x: WIDTH, y: HEIGHT / 2 },
  { type: "target" as const, position: Position.Left, x: 0, y: HEIGHT / 2 },
];

type Places = {
  nodes: { id: string; x: number; y: number; name: string; type: string; part: string }[];
  arrows: [string, string][];
};

function place(definition: Pick<Definition, "steps" | "on_failure" | "finally">): Places {
  const plan = new Layout().setGraph({ rankdir: "LR", nodesep: 22, ranksep: 46 }).setDefaultEdgeLabel(() => ({}));
  const nodes: Places["nodes"] = [];
  const arrows: [string, string][] = [];
  for (const [part, steps] of parts(definition)) {
    const known = new Set(steps.map((step) => step.name));
    for (const { name, type } of steps) {
      nodes.push({ id: `${part}/${name}`, x: 0, y: 0, name, type, part });
      plan.setNode(`${part}/${name}`, { width: WIDTH, height: HEIGHT });
    }
    for (const [from, to] of edges(steps)) {
      if (!known.has(from) || !known.has(to)) continue;
      arrows.push([`${part}/${from}`, `${part}/${to}`]);
      plan.setEdge(`${part}/${from}`, `${part}/${to}`);
    }
  }
  layout(plan);
  for (const node of nodes) Object.assign(node, { x: plan.node(node.id).x, y: plan.node(node.id).y });
  return { nodes, arrows };
}

export default function Graph({
  definition,
  results,
  chosen,
  choose,
}: {
  definition: Pick<Definition, "steps" | "on_failure" | "finally">;
  results?: Record<string, StepResult>;
  chosen?: string;
  choose?: (step: string) => void;
}) {
  const theme = useTheme();
  const shape = JSON.stringify(
    parts(definition).map(([part, steps]) => [part, steps.map(({ name, type, needs }) => [name, type, needs])]),
  );
  const { nodes, arrows } = useMemo(() => place(definition), [shape]);
  const shown = nodes.map(({ id, x, y, name, type, part }) => {
    const result = results?.[name];
    const state = results ? stateOf(result) : "";
    const loop = result?.iterations;
    return {
      id,
      position: { x: x - WIDTH / 2, y: y - HEIGHT / 2 },
      // Said and not measured: a node that is drawn anew is hidden until it was measured.
      width: WIDTH,
      height: HEIGHT,
      measured: { width: WIDTH, height: HEIGHT },
      handles: HANDLES,
      sourcePosition: Position.Right,
      targetPosition: Position.Left,
      className: `step ${state} ${part ? "apart" : ""} ${name === chosen ? "chosen" : ""}`,
      ariaLabel: `Step ${name}, ${type}${state && `, ${state}`}`,
      data: {
        label: (
          <>
            <b>{name}</b>
            <small>
              {part && `${part} · `}
              {type}
              {state && ` · ${state}`}
              {loop && ` ${loop.done}/${loop.total}`}
            </small>
          </>
        ),
      },
    };
  });
  return (
    <div className="graph" role="region" aria-label="Graph of the steps">
      <ReactFlow
        key={shape}
        nodes={shown}
        edges={arrows.map(([source, target]) => ({
          id: `${source}>${target}`,
          source,
          target,
          animated: results?.[target.slice(target.indexOf("/") + 1)]?.status === "running",
        }))}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.08 }}
        colorMode={theme}
        nodesConnectable={false}
        nodesDraggable={false}
        nodesFocusable={!!choose}
        edgesFocusable={false}
        onNodeClick={(_, node) => choose?.(node.id.slice(node.id.indexOf("/") + 1))}
        minZoom={0.05}
        preventScrolling={false}
        proOptions={{ hideAttribution: true }}
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}
