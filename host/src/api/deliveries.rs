//! `/api/v1/deliveries`: ends of runs that have not arrived at a webhook yet, or were given up.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::{DeliveryId, RunId};
use millwork_store::{Delivery, DeliveryQuery, DeliveryState};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::json::{Time, answer};
use super::openapi::{InvalidRequest, Unavailable, UnknownDelivery};
use super::page::{LIMIT_DEFAULT, Page, read_cursor, read_limit};
use super::problem::Problem;
use super::query::{Id, Query, parsed};

/// A delivery that has not arrived.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryDocument {
    /// The delivery's identifier.
    #[schema(value_type = Uuid)]
    id: DeliveryId,
    /// The webhook, by its name in the configuration.
    #[schema(example = "shop")]
    webhook: String,
    /// The run that ended.
    #[schema(value_type = Uuid)]
    run_id: RunId,
    /// The event's identifier, which the receiver sees as `webhook-id`.
    #[schema(example = "019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11-0")]
    event_id: String,
    /// `pending` while it is tried, `exhausted` when it was given up.
    #[schema(example = "exhausted")]
    state: &'static str,
    /// Attempts so far.
    #[schema(example = 14)]
    attempts: u32,
    /// Why the last attempt failed; null where there was none yet.
    #[schema(required, example = "the webhook answered 503")]
    failure: Option<String>,
    /// When the run ended.
    created_at: Time,
    /// Since when it is tried: since it was there, or was last sent again.
    since: Time,
    /// When it is tried next; null where it was given up.
    #[schema(required)]
    next_attempt_at: Option<Time>,
    /// What is sent: the event.
    #[schema(value_type = Object)]
    event: Option<Box<RawValue>>,
}

/// How many deliveries are sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Resent {
    /// How many.
    #[schema(example = 12)]
    resent: usize,
}

impl DeliveryDocument {
    fn of(delivery: Delivery) -> Self {
        Self {
            state: match delivery.state() {
                DeliveryState::Pending => "pending",
                DeliveryState::Exhausted => "exhausted",
            },
            id: delivery.id,
            webhook: delivery.webhook,
            run_id: delivery.run,
            event_id: delivery.event,
            attempts: delivery.attempts,
            failure: delivery.failure,
            created_at: Time(delivery.created_at),
            since: Time(delivery.since),
            next_attempt_at: delivery.due_at.map(Time),
            event: RawValue::from_string(delivery.body).ok(),
        }
    }
}

/// List deliveries
///
/// Events that have not arrived at a webhook, the latest first, a page at a time. What has arrived is not in the list.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries",
    operation_id = "list_deliveries",
    tag = "events",
    params(
        ("webhook" = Option<String>, Query, description = "Only to this webhook", example = "shop"),
        ("run_id" = Option<String>, Query, description = "Only of this run"),
        ("state" = Option<String>, Query, description = "`pending` or `exhausted`", example = "exhausted"),
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before; send the other parameters unchanged"),
    ),
    responses((status = 200, description = "A page of deliveries", body = Page<DeliveryDocument>), InvalidRequest, Unavailable),
)]
pub(super) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let limit = query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT);
    let wanted = DeliveryQuery {
        webhook: query.one("webhook", |text| Ok(text.to_owned())),
        run: query.one("run_id", parsed),
        state: query.one("state", read_state),
        after: query.one("cursor", read_cursor).map(DeliveryId::from_bytes),
        // One more than asked for tells whether there is another page.
        limit: limit + 1,
    };
    query.finish()?;
    let deliveries = api.engine().list_deliveries(wanted).await?;
    let items = deliveries.into_iter().map(DeliveryDocument::of).collect();
    let page = Page::of(items, limit, |of: &DeliveryDocument| *of.id.as_bytes());
    Ok(answer(StatusCode::OK, &page))
}

/// Read a delivery
///
/// With the event that is sent, and why the last attempt failed. One that has arrived is unknown.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries/{delivery_id}",
    operation_id = "get_delivery",
    tag = "events",
    params(("delivery_id" = Uuid, Path, description = "The delivery, with or without dashes")),
    responses((status = 200, description = "The delivery", body = DeliveryDocument), UnknownDelivery, InvalidRequest, Unavailable),
)]
pub(super) async fn show(
    State(api): State<Api>,
    Id(delivery): Id<DeliveryId>,
) -> Result<Response, Problem> {
    let delivery = api.engine().find_delivery(delivery).await?;
    Ok(answer(StatusCode::OK, &DeliveryDocument::of(delivery)))
}

/// Send a delivery again
///
/// At once, and then for as long as a new one (`events.retry_for`): one that was given up, or one that waits for its next attempt.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/{delivery_id}/resend",
    operation_id = "resend_delivery",
    tag = "events",
    params(("delivery_id" = Uuid, Path, description = "The delivery, with or without dashes")),
    responses((status = 202, description = "The delivery, which is tried again", body = DeliveryDocument), UnknownDelivery, InvalidRequest, Unavailable),
)]
pub(super) async fn resend(
    State(api): State<Api>,
    Id(delivery): Id<DeliveryId>,
) -> Result<Response, Problem> {
    let delivery = api.engine().resend_delivery(delivery).await?;
    Ok(answer(
        StatusCode::ACCEPTED,
        &DeliveryDocument::of(delivery),
    ))
}

/// Send all deliveries again that were given up
///
/// Of one webhook, or of all: for when a receiver is well again.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/resend",
    operation_id = "resend_deliveries",
    tag = "events",
    params(("webhook" = Option<String>, Query, description = "Only to this webhook", example = "shop")),
    responses((status = 202, description = "How many are tried again", body = Resent), InvalidRequest, Unavailable),
)]
pub(super) async fn resend_exhausted(
    State(api): State<Api>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let webhook = query.one("webhook", |text| Ok(text.to_owned()));
    query.finish()?;
    let resent = api.engine().resend_exhausted(webhook).await?;
    Ok(answer(StatusCode::ACCEPTED, &Resent { resent }))
}

fn read_state(text: &str) -> Result<DeliveryState, String> {
    match text {
        "pending" => Ok(DeliveryState::Pending),
        "exhausted" => Ok(DeliveryState::Exhausted),
        _ => Err("must be one of \"pending\", \"exhausted\"".to_owned()),
    }
}
