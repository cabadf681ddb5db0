/** The page about a kind of error: what happened, why, what to try. */
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "wouter";
import { text } from "../api/client.ts";
import { Markdown } from "../parts/Markdown.tsx";
import { Loading } from "../parts/small.tsx";
import { Trouble } from "../parts/Trouble.tsx";

export default function ErrorPage({ kind }: { kind: string }) {
  const page = useQuery({
    queryKey: ["error", kind],
    queryFn: () => text(`/docs/errors/${encodeURIComponent(kind)}`),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const place = decodeURIComponent(location.hash.slice(1));
  useEffect(() => {
    if (!place || !page.data) return;
    const found = [...document.querySelectorAll<HTMLElement>("[data-codes]")].find((row) => isAbout(row, place));
    found?.scrollIntoView({ block: "center" });
    found?.classList.add("chosen");
  }, [page.data, place]);
  return (
    <article className="prose">
      {page.isPending && !page.error && <Loading what="the page" />}
      {page.error && <h1>There is no such page</h1>}
      <Trouble error={page.error} />
      {page.data && <Markdown text={page.data} />}
      <p className="bar">
        <button type="button" onClick={() => history.back()}>
          Back
        </button>
        <Link href="/runs">All runs</Link>
      </p>
    </article>
  );
}

/** A code that ends in `…` is about all that begin so. */
function isAbout(row: HTMLElement, code: string): boolean {
  const codes = (row.dataset.codes ?? "").split(",").map((one) => one.trim());
  return codes.some((one) => one === code || (one.endsWith("…") && code.startsWith(one.slice(0, -1))));
}
