/** Why something failed: the code for programs, the sentence for people, the page about it. */
import { Link } from "wouter";
import type { Failure } from "../../api/types.ts";

export function Failed({ failure, where }: { failure: Failure; where?: string }) {
  return (
    <div className="problem card" role="alert">
      <p>
        <code className="failed">{failure.code}</code> {where && <>in {where}: </>}
        {failure.message}
      </p>
      <Link href={`/errors/failed-runs#${failure.code}`}>What {failure.code} means</Link>
    </div>
  );
}
