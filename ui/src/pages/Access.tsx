/** Who may do what, and who did: secrets, tokens, the audit log. */
import { Link } from "wouter";
import { Audit } from "./access/Audit.tsx";
import { Secrets } from "./access/Secrets.tsx";
import { Tokens } from "./access/Tokens.tsx";

const PAGES = { secrets: Secrets, tokens: Tokens, audit: Audit };

export default function Access({ page }: { page: string }) {
  const Shown = PAGES[page as keyof typeof PAGES] ?? Secrets;
  return (
    <>
      <h1>Access</h1>
      <nav className="bar tabs" aria-label="Access">
        {Object.keys(PAGES).map((one) => (
          <Link key={one} href={`/access/${one}`} aria-current={one === page ? "page" : undefined} className="button">
            {one}
          </Link>
        ))}
      </nav>
      <Shown />
    </>
  );
}
