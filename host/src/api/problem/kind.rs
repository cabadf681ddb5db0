//! The kinds of problems: their statuses, their words, and a page each.

use axum::http::StatusCode;

/// Declares the kinds: name, status, the page under `docs/errors/` that its
/// address leads to, title, and a detail as it may read.
macro_rules! kinds {
    ($($kind:ident = $status:ident, $slug:literal, $title:literal, $example:literal;)*) => {
        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::api) enum Kind {
            $(#[doc = $title] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub(in crate::api) const ALL: &'static [Self] = &[$(Self::$kind),*];

            pub(in crate::api) const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status),* }
            }

            pub(in crate::api) const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug),* }
            }

            pub(in crate::api) const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),* }
            }

            /// A detail, as it may read.
            pub(in crate::api) const fn example(self) -> &'static str {
                match self { $(Self::$kind => $example),* }
            }

            /// The page about it, in Markdown.
            pub(in crate::api) const fn text(self) -> &'static str {
                match self {
                    $(Self::$kind => include_str!(concat!("../../../../docs/errors/", $slug, ".md"))),*
                }
            }
        }
    };
}

kinds! {
    MalformedJson = BAD_REQUEST, "malformed-json", "Malformed JSON",
        "the body is not JSON: expected `,` or `}` at line 1 column 17";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Unauthenticated",
        "this needs a token: send it as `Authorization: Bearer mw_…`";
    BadSignature = UNAUTHORIZED, "bad-signature", "Bad signature",
        "the header x-hub-signature-256 does not fit the body and the secret";
    Forbidden = FORBIDDEN, "forbidden", "Forbidden",
        "this needs the scope `write`, and the token \"shop\" has `read,trigger`";
    UnknownWorkflow = NOT_FOUND, "unknown-workflow", "Unknown workflow",
        "Workflow 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55 not found";
    UnknownWebhook = NOT_FOUND, "unknown-webhook", "Unknown webhook",
        "no workflow has an inbound webhook at \"shop/orders\"";
    UnknownVersion = NOT_FOUND, "unknown-version", "Unknown version",
        "workflow 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55 has no version 7";
    UnknownPlugin = NOT_FOUND, "unknown-plugin", "Unknown plugin",
        "there is no plugin \"slack\" in version 1.0.0";
    UnknownSecret = NOT_FOUND, "unknown-secret", "Unknown secret",
        "there is no secret \"slack-token\" in the store";
    UnknownRun = NOT_FOUND, "unknown-run", "Unknown run",
        "Workflow run not found";
    UnknownDelivery = NOT_FOUND, "unknown-delivery", "Unknown delivery",
        "there is no delivery 019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66 that has not arrived";
    UnknownJob = NOT_FOUND, "unknown-job", "Unknown job",
        "there is no job 019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66";
    UnknownToken = NOT_FOUND, "unknown-token", "Unknown token",
        "there is no token 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55";
    UnknownRoute = NOT_FOUND, "unknown-route", "Unknown route",
        "nothing is served under this path; /docs shows every path there is";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed",
        "this path has other methods; the header Allow names them";
    BodyTimeout = REQUEST_TIMEOUT, "body-timeout", "Body timeout",
        "the body was not there after 30s, the limit (server.body_timeout)";
    WorkflowArchived = CONFLICT, "workflow-archived", "Workflow archived",
        "workflow 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55 is archived: it takes no runs until it is restored or gets a new version";
    WorkflowChanged = CONFLICT, "workflow-changed", "Workflow changed",
        "workflow 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55 is at version 5, and version 4 was to be changed";
    WorkflowInUse = CONFLICT, "workflow-in-use", "Workflow in use",
        "workflow 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55 cannot be deleted: run 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 of it has not ended";
    RunFinished = CONFLICT, "run-finished", "Run finished",
        "run 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 has ended: its status is success";
    RunEnding = CONFLICT, "run-ending", "Run ending",
        "run 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 is ending already, and what closes it is under way; kill it to end it at once";
    RunNotFinished = CONFLICT, "run-not-finished", "Run not finished",
        "run 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 has not ended: its status is running; cancel it first";
    NothingToRetry = CONFLICT, "nothing-to-retry", "Nothing to retry",
        "nothing of run 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 failed; name the step from which it is to be done again, or say from the start";
    TooManySignals = CONFLICT, "too-many-signals", "Too many signals",
        "run 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 has been sent 10000 signals, and takes no more: that is the limit";
    IdempotencyKeyReused = CONFLICT, "idempotency-key-reused", "Idempotency key reused",
        "the idempotency key \"order-7\" was used with another request";
    PluginMissing = CONFLICT, "plugin-missing", "Plugin missing",
        "workflow 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55 cannot start: there is no plugin \"slack\"";
    PluginVersionTaken = CONFLICT, "plugin-version-taken", "Plugin version taken",
        "slack@1.0.0 is there already with other bytes (c0ffee…): give yours another version";
    PluginInUse = CONFLICT, "plugin-in-use", "Plugin in use",
        "run 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 is pinned to slack@1.0.0 and has not ended: disable the plugin, and remove it when no run needs it";
    PluginConfigured = CONFLICT, "plugin-configured", "Plugin configured",
        "the configuration says what \"slack\" may do, under [plugins.grants.slack]: change it there";
    SecretRefused = CONFLICT, "secret-refused", "Secret refused",
        "the configuration has a secret \"slack-token\" already, under [secrets]: change it there";
    TooLarge = PAYLOAD_TOO_LARGE, "too-large", "Too large",
        "the payload is larger than 2097152 bytes, the limit (limits.payload_max_bytes)";
    WrongContentType = UNSUPPORTED_MEDIA_TYPE, "wrong-content-type", "Wrong content type",
        "send the body as JSON, with the header Content-Type: application/json";
    PluginRefused = UNPROCESSABLE_ENTITY, "plugin-refused", "Plugin refused",
        "the plugin is refused: this is not WebAssembly: it starts with 6e 6f 6e 73";
    InvalidDefinition = UNPROCESSABLE_ENTITY, "invalid-definition", "Invalid definition",
        "the definition does not hold: /steps/0/type: is missing: a step needs it";
    InvalidRequest = UNPROCESSABLE_ENTITY, "invalid-request", "Invalid request",
        "the request does not hold: limit: must be a whole number from 1 to 200";
    LimitReached = TOO_MANY_REQUESTS, "limit-reached", "Limit reached",
        "1 runs with the concurrency key \"customer-7\" are under way, which is the workflow's limit";
    TooManyJobs = TOO_MANY_REQUESTS, "too-many-jobs", "Too many jobs",
        "100 jobs have not finished, which is the limit (fixed): wait for one, or cancel one";
    TooManyStreams = TOO_MANY_REQUESTS, "too-many-streams", "Too many streams",
        "1000 streams are open, the limit is 1000 (server.streams_max)";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Internal error",
        "something went wrong here; the log has more under the request's identifier";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Overloaded",
        "1000001 runs wait to be executed, the limit is 1000000 (engine.backlog_max)";
    ShuttingDown = SERVICE_UNAVAILABLE, "shutting-down", "Shutting down",
        "the engine is shutting down";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Unavailable",
        "the store is unavailable: could not commit";
}

impl Kind {
    /// The address of the page about it, from the root of this server.
    pub(in crate::api) fn page(self) -> String {
        format!("/docs/errors/{}", self.slug())
    }

    /// Finds a kind by the last part of its page's address.
    pub(in crate::api) fn find(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_page_that_says_what_to_do() {
        for &kind in Kind::ALL {
            let text = kind.text();
            let status = kind.status().as_u16();
            assert!(
                text.starts_with(&format!("# {} ({status})\n", kind.title())),
                "{kind:?}"
            );
            assert!(text.contains("\n## What to try\n"), "{kind:?}");
            assert_eq!(Kind::find(kind.slug()), Some(kind));
        }
    }
}
