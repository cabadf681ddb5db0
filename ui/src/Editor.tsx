import { yaml } from "@codemirror/lang-yaml";
import { linter, lintGutter } from "@codemirror/lint";
import { basicSetup, EditorView } from "codemirror";
import { useEffect, useRef } from "react";
import { call } from "./api";
import { locate } from "./model";

/** A definition, as JSON, with the server's errors at their line. */
export default function Editor({ text, change }: { text: string; change: (text: string) => void }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const check = linter(
      async (view) => {
        const text = view.state.doc.toString();
        let parsed: unknown;
        try {
          parsed = JSON.parse(text);
        } catch (error) {
          const at = Number(/position (\d+)/.exec(String(error))?.[1] ?? text.length);
          const from = Math.min(at, text.length);
          return [{ from, to: from, severity: "error" as const, message: String((error as Error).message) }];
        }
        const said = await call("/api/v1/workflows/validate", "POST", parsed).catch((error) => ({
          errors: error.errors?.length ? error.errors : [{ path: "", message: error.message }],
        }));
        return said.errors.map((one: { path: string; message: string }) => {
          const from = locate(text, one.path);
          return {
            from,
            to: view.state.doc.lineAt(from).to,
            severity: "error" as const,
            message: `${one.path}: ${one.message}`,
          };
        });
      },
      { delay: 300 },
    );
    const view = new EditorView({
      doc: text,
      parent: place.current!,
      extensions: [
        basicSetup,
        yaml(),
        lintGutter(),
        check,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "Definition" }),
        EditorView.updateListener.of((update) => update.docChanged && change(update.state.doc.toString())),
      ],
    });
    return () => view.destroy();
  }, []);
  return <div className="editor" ref={place} />;
}
