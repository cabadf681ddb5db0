import { Graph as Layout, layout } from "@dagrejs/dagre";
import { Background, Controls, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { edges, type State, type Step } from "./model";

export default function Graph({ steps, now }: { steps: Step[]; now?: Record<string, State> }) {
  const plan = new Layout().setGraph({ rankdir: "LR", nodesep: 24, ranksep: 48 }).setDefaultEdgeLabel(() => ({}));
  const known = new Set(steps.map((step) => step.name));
  const lines = edges(steps).filter(([from, to]) => known.has(from) && known.has(to));
  for (const step of steps) plan.setNode(step.name, { width: 170, height: 56 });
  for (const [from, to] of lines) plan.setEdge(from, to);
  layout(plan);
  const nodes = steps.map((step) => {
    const { x, y } = plan.node(step.name);
    const state = now?.[step.name] ?? "pending";
    return {
      id: step.name,
      position: { x: x - 85, y: y - 28 },
      sourcePosition: "right" as any,
      targetPosition: "left" as any,
      className: `step ${now ? state : ""}`,
      data: {
        label: (
          <>
            <b>{step.name}</b>
            <br />
            <small>
              {step.type}
              {now && ` · ${state}`}
            </small>
          </>
        ),
      },
    };
  });
  return (
    <div className="graph">
      <ReactFlow
        key={steps.map((s) => s.name).join()}
        nodes={nodes}
        edges={lines.map(([source, target]) => ({ id: `${source}>${target}`, source, target }))}
        fitView
        fitViewOptions={{ maxZoom: 1 }}
        colorMode="system"
        nodesConnectable={false}
        nodesDraggable={false}
        minZoom={0.1}
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}
