//! How long things took, as the few numbers that matter.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The slowest that is told apart: an hour. Slower ones count as this.
const MICROS_MAX: u64 = 60 * 60 * 1_000_000;

/// A distribution of durations, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half of them took at most this long.
    pub p50_ms: f64,
    /// 99 of 100 took at most this long.
    pub p99_ms: f64,
    /// None took longer.
    pub max_ms: f64,
}

impl Latency {
    /// Sums up durations in microseconds.
    #[must_use]
    pub fn of(micros: impl IntoIterator<Item = u64>) -> Self {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, MICROS_MAX, 3)
            .expect("three digits up to an hour is a histogram");
        for micros in micros {
            histogram.saturating_record(micros.max(1));
        }
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            count: histogram.len(),
            p50_ms: to_ms(histogram.value_at_quantile(0.5)),
            p99_ms: to_ms(histogram.value_at_quantile(0.99)),
            max_ms: to_ms(histogram.max()),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an hour in microseconds is far below 2^52"
)]
fn to_ms(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// Rounds to three decimals, for people.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// How many a second, rounded.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
pub fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        (count as f64 / seconds).round()
    } else {
        0.0
    }
}

/// The share of a part in a whole; nothing of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        rounded(part as f64 / whole as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let latency = Latency::of((1..=1_000).map(|ms| ms * 1_000));
        assert_eq!(latency.count, 1_000);
        assert!((latency.p50_ms - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99_ms - 990.0).abs() < 1.0, "{latency:?}");
        assert!((latency.max_ms - 1_000.0).abs() < 1.0, "{latency:?}");
        assert_eq!(Latency::of([]), Latency::default());
    }
}
