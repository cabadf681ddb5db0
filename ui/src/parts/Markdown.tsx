/** The Markdown of the pages about errors: headings, paragraphs, lists, tables, code, links. Nothing of it becomes HTML by itself. */
import type { ReactNode } from "react";

export function Markdown({ text }: { text: string }) {
  return <>{text.trim().split(/\n{2,}/).map((block, at) => <Block key={at} text={block} />)}</>;
}

const slug = (text: string) => text.replace(/`/g, "").trim().toLowerCase();

function Block({ text }: { text: string }) {
  const heading = /^(#+) (.*)$/.exec(text);
  if (heading) {
    const Tag = heading[1]!.length === 1 ? "h1" : "h2";
    return <Tag id={slug(heading[2]!)}>{inline(heading[2]!)}</Tag>;
  }
  const lines = text.split("\n");
  if (text.startsWith("```")) {
    return (
      <pre tabIndex={0} aria-label="Example">
        {lines.slice(1, lines.at(-1) === "```" ? -1 : undefined).join("\n")}
      </pre>
    );
  }
  if (text.startsWith("- ")) {
    const items = text.slice(2).split(/\n- /);
    return (
      <ul>
        {items.map((item) => (
          <li key={item}>{inline(item.replace(/\n\s+/g, " "))}</li>
        ))}
      </ul>
    );
  }
  if (text.startsWith("|")) {
    const rows = lines.filter((line) => !/^[|\s:-]+$/.test(line)).map((line) => line.split("|").slice(1, -1));
    return (
      <table>
        <thead>
          <tr>
            {rows[0]?.map((cell) => (
              <th key={cell}>{inline(cell.trim())}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(1).map((row) => (
            <tr key={row.join()} data-codes={slug(row[0] ?? "")}>
              {row.map((cell, at) => (
                <td key={at}>{inline(cell.trim())}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    );
  }
  return <p>{inline(lines.join(" "))}</p>;
}

export function inline(text: string): ReactNode[] {
  return text.split(/(`[^`]+`|\[[^\]]+\]\([^)]+\)|\*\*[^*]+\*\*)/).map((part, at) => {
    if (part.startsWith("`")) return <code key={at}>{part.slice(1, -1)}</code>;
    if (part.startsWith("**")) return <b key={at}>{part.slice(2, -2)}</b>;
    const link = /^\[(.+)\]\((.+)\)$/.exec(part);
    // Links lead to files of the source, which are not here: what they say is shown.
    return link ? <span key={at}>{link[1]}</span> : part;
  });
}
