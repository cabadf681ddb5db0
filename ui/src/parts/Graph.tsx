/** The graph of a definition, laid out by itself; with the states of a run, where there is one. */
import { Graph as Layout, layout } from "@dagrejs/dagre";
import { Background, Controls, MarkerType, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useMemo } from "react";
import type { Definition, StepResult } from "../api/types.ts";
import { edges, parts } from "../model/graph.ts";
import { said, stateOf } from "../model/states.ts";
import { useTheme } from "./theme.ts";

const [WIDTH, HEIGHT] = [200, 58];

const HANDLES = [
  { type: "source" as const, position: Position.Right, x: WIDTH, y: HEIGHT / 2 },
  { type: "target" as const, position: Position.Left, x: 0, y: HEIGHT / 2 },
];

/** A grey that can be seen on light and on dark. */
const ARROW = { type: MarkerType.ArrowClosed, color: "#7d8896", width: 18, height: 18 };

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

/** A node is known by its part and its step. */
const stepOf = (node: string) => node.slice(node.indexOf("/") + 1);

export default function Graph({
  definition,
  results,
  isOver = false,
  chosen,
  choose,
}: {
  definition: Pick<Definition, "steps" | "on_failure" | "finally">;
  /** Of the run whose states are shown. */
  results?: Record<string, StepResult>;
  isOver?: boolean;
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
    const state = results ? stateOf(result, isOver) : "";
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
      ariaLabel: `Step ${name}, ${type}${state && `, ${said(state)}`}`,
      data: {
        label: (
          <>
            <b>{name}</b>
            <small>
              {part && `${part} · `}
              {type}
              {state && ` · ${said(state)}`}
              {loop && ` ${loop.done}/${loop.total}`}
            </small>
          </>
        ),
      },
    };
  });
  return (
    <div
      className="graph"
      role="region"
      aria-label="Graph of the steps"
      // The library tells of clicks alone.
      onKeyDown={(event) => {
        const node = (event.target as HTMLElement).closest<HTMLElement>(".react-flow__node")?.dataset.id;
        if (!choose || !node || (event.key !== "Enter" && event.key !== " ")) return;
        // What gets the focus now would be pressed by the same key.
        event.preventDefault();
        choose(stepOf(node));
      }}
    >
      <ReactFlow
        key={shape}
        nodes={shown}
        edges={arrows.map(([source, target]) => ({
          id: `${source}>${target}`,
          source,
          target,
          markerEnd: ARROW,
          animated: results?.[stepOf(target)]?.status === "running",
        }))}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.08 }}
        colorMode={theme}
        nodesConnectable={false}
        nodesDraggable={false}
        nodesFocusable={!!choose}
        edgesFocusable={false}
        onNodeClick={(_, node) => choose?.(stepOf(node.id))}
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
