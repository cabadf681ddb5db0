/** The editor of a definition: JSON or YAML, with everything that is wrong at its line while it is typed. */
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, forceLinting, linter, lintGutter, lintKeymap } from "@codemirror/lint";
import { Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { call, type Fault, problemOf } from "../../api/client.ts";
import { type Format, locate, read } from "../../model/document.ts";

const CHECK_AFTER_MS = 300;

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--act)" },
  { tag: [tags.string, tags.content], color: "var(--ok)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--wait)" },
  { tag: [tags.comment, tags.meta], color: "var(--dim)" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

const look = EditorView.theme({
  "&": { color: "var(--fg)", backgroundColor: "var(--bg)", fontSize: "13px" },
  ".cm-content": { caretColor: "var(--fg)", fontFamily: "var(--mono)" },
  ".cm-gutters": { backgroundColor: "var(--soft)", color: "var(--dim)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--chosen) !important" },
  ".cm-cursor": { borderLeftColor: "var(--fg)" },
  ".cm-tooltip": { backgroundColor: "var(--soft)", color: "var(--fg)", border: "1px solid var(--line)" },
});

/** Where it could not be checked, `why` says so. */
export type Verdict = { isChecked: boolean; faults: Fault[]; why?: string };

export default function Editor({
  text,
  format,
  change,
  verdict,
  save,
}: {
  text: string;
  format: Format;
  change: (text: string) => void;
  verdict: (verdict: Verdict) => void;
  save: () => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const language = useRef(new Compartment());
  const now = useRef({ format, change, verdict, save });
  now.current = { format, change, verdict, save };

  useEffect(() => {
    const check = linter(
      async ({ state }) => {
        const text = state.doc.toString();
        const found = await judge(text, now.current.format);
        now.current.verdict(found.verdict);
        return found.marks;
      },
      { delay: CHECK_AFTER_MS },
    );
    view.current = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(),
          foldGutter(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          highlightActiveLine(),
          syntaxHighlighting(colours),
          look,
          language.current.of(languageOf(format)),
          lintGutter(),
          check,
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "Definition", spellcheck: "false", tabindex: "0" }),
          keymap.of([
            { key: "Mod-s", preventDefault: true, run: () => (now.current.save(), true) },
            // Escape, then Tab leaves the editor, for those who use no mouse.
            indentWithTab,
            ...defaultKeymap,
            ...historyKeymap,
            ...foldKeymap,
            ...lintKeymap,
          ]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) now.current.change(update.state.doc.toString());
          }),
        ],
      }),
    });
    return () => view.current?.destroy();
  }, []);

  // A text that a form has changed, or that was written in the other format.
  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const effects = language.current.reconfigure(languageOf(format));
    const shown = editor.state.doc.toString();
    if (shown === text) editor.dispatch({ effects });
    else editor.dispatch({ effects, changes: { from: 0, to: shown.length, insert: text } });
    forceLinting(editor);
  }, [text, format]);

  return <div className="editor" ref={place} />;
}

const languageOf = (format: Format) => (format === "json" ? json() : yaml());

async function judge(text: string, format: Format): Promise<{ marks: Diagnostic[]; verdict: Verdict }> {
  const { value, fault } = read(text, format);
  if (fault) {
    const mark = { from: fault.at, to: fault.at, severity: "error" as const, message: fault.message };
    return { marks: [mark], verdict: { isChecked: true, faults: [{ path: "", message: fault.message }] } };
  }
  let faults: Fault[];
  try {
    faults = (await call<{ errors: Fault[] }>("/api/v1/workflows/validate", "POST", value)).errors;
  } catch (error) {
    const problem = problemOf(error);
    // Without an answer nobody knows whether it holds.
    if (problem.status === 0 || problem.status === 401) {
      return { marks: [], verdict: { isChecked: false, faults: [], why: "the server does not answer; a change is checked again" } };
    }
    faults = problem.errors.length ? problem.errors : [{ path: "", message: problem.message }];
  }
  const marks = faults.map(({ path, message }) => {
    const [from, to] = locate(text, path);
    return { from, to, severity: "error" as const, message: path ? `${path}: ${message}` : message };
  });
  return { marks, verdict: { isChecked: true, faults } };
}
