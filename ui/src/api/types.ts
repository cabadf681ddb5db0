/** What the API answers, as far as the console shows it. `docs/openapi.json` has all of it. */
export type Status = "pending" | "running" | "success" | "failed" | "paused" | "cancelled";
export type StepStatus = "pending" | "running" | "success" | "failed" | "skipped" | "cancelled";
export const STATUSES: Status[] = ["pending", "running", "success", "failed", "paused", "cancelled"];

export type Page<T> = { items: T[]; next_cursor: string | null; limit: number };
export type Failure = { code: string; message: string; step?: string | null };
export type LogLine = { at: string; level: string; message: string };

export type RunItem = {
  id: string;
  workflow_id: string;
  workflow_version: number;
  status: Status;
  labels?: Record<string, string>;
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  error: string | null;
};

export type Wait = {
  kind: "time" | "signal" | "retry" | "run" | "paused" | "limit";
  until?: string | null;
  step?: string;
  run?: string;
  since?: string;
  attempt?: number;
  signal?: string;
  failure?: Failure;
  limit?: string;
  key?: string;
  position?: number;
  waiting?: number;
  running?: number | null;
  allowed?: number;
};

export type StepResult = {
  step_name: string;
  status: StepStatus;
  attempt: number;
  started_at: string | null;
  completed_at: string | null;
  output: unknown;
  error: string | null;
  failure?: Failure;
  waiting_for?: Wait;
  log?: LogLine[];
  iterations?: { total: number; done: number; shown: (StepResult & { index: number })[] };
};

export type Run = RunItem & {
  payload: unknown;
  output: unknown;
  failure: Failure | null;
  retries?: number;
  parent?: { run_id: string; step: string };
  started_by?: Record<string, string | number>;
  waiting_for: Wait | null;
  step_results: Record<string, StepResult>;
};

export type RunEvent = {
  seq: number;
  at: string;
  type: string;
  step?: string;
  iteration?: number;
  attempt?: number;
  started_at?: string;
  until?: string;
  signal?: string;
  run_id?: string;
  status?: Status;
  failure?: Failure;
  log?: LogLine[];
  steps?: string[];
} & Record<string, unknown>;

export type RunLogLine = LogLine & { step: string; iteration?: number; attempt: number };

export type Step = {
  name: string;
  type: string;
  config?: Record<string, unknown>;
  needs?: string[] | null;
} & Record<string, unknown>;

export type Definition = {
  id?: string | null;
  name: string;
  description?: string | null;
  input?: Schema | null;
  steps: Step[];
  on_failure?: Step[] | null;
  finally?: Step[] | null;
  triggers?: Record<string, unknown>[] | null;
} & Record<string, unknown>;

export type Workflow = Definition & {
  uuid: string;
  version: number;
  created_at: string;
  updated_at?: string;
  archived_at: string | null;
};

export type WorkflowItem = {
  uuid: string;
  id: string | null;
  name: string;
  labels: Record<string, string>;
  version: number;
  created_at: string;
  updated_at: string;
  archived_at: string | null;
};

export type Version = { version: number; name: string; created_at: string };
export type Change = {
  kind: "added" | "removed" | "changed" | "moved";
  path: string;
  step: string | null;
  before?: unknown;
  after?: unknown;
};
export type Difference = { from: number; to: number; changes: Change[] };
export type Schedule = {
  workflow_id: string;
  workflow_version: number;
  trigger: number;
  cron: string;
  timezone: string;
  missed: string;
  next_at: string | null;
};

export type Schema = Record<string, unknown>;
export type Action = {
  name: string;
  title: string;
  description: string;
  config_schema: Schema;
  output_schema: Schema;
  examples: unknown[];
  read_only: boolean;
  idempotent: boolean;
  destructive: boolean;
  timeout_ms: number | null;
  attempts_max: number | null;
};
export type Plugin = {
  name: string;
  version: string;
  digest: string;
  description: string;
  actions: Action[];
  origin: string;
  pure: boolean;
  asks: string[];
  missing_grants: string[];
  status: "active" | "awaiting-consent" | "disabled";
  asks_more: string[];
  grants: Record<string, unknown>;
  granted_by_configuration: boolean;
  size_bytes: number;
  signed_by: string | null;
};
export type Plugins = { items: Plugin[]; refused: { path: string; reason: string; still_loaded: string | null }[] };

export type Counts = Record<Status, number>;
export type Stats = { runs: Counts };
export type History = {
  created_from: string;
  created_before: string;
  counted_from: string;
  stretch_seconds: number;
  items: { created_from: string; runs: Counts }[];
};
export type LimitRow = {
  workflow_id: string;
  kind: "concurrency" | "rate";
  key: string;
  limit: number;
  per_seconds: number | null;
  running: number | null;
  waiting: number;
  next_at: string | null;
};

export type Job = {
  id: string;
  operation: string;
  status: "running" | "finished" | "cancelled";
  dry_run: boolean;
  filter: Record<string, unknown>;
  found: number;
  done: number;
  skipped: number;
  skipped_because: Record<string, number>;
  failed: number;
  failures: { run_id: string; reason: string }[];
  created_at: string;
  finished_at: string | null;
};

export type Secret = { name: string; origin: string; updated_at: string | null; readable: boolean };
export type Token = {
  id: string;
  name: string;
  scopes: string[];
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
};
export type AuditEntry = {
  id: string;
  at: string;
  actor: string;
  actor_name: string | null;
  action: string;
  path: string;
  status: number | null;
  target: string | null;
};

export type Delivery = {
  id: string;
  webhook: string;
  run_id: string;
  event_id: string;
  state: "pending" | "exhausted";
  attempts: number;
  failure: string | null;
  created_at: string;
  since: string;
  next_attempt_at: string | null;
  event: Record<string, unknown> | null;
};
