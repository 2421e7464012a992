//! Checks what the shadow of a new version must show before the version is taken: `shadow` of a step.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::typed;
use crate::shadow::ShadowPolicy;
use millstream_settings::{ConfigError, Document};

/// Shortest and longest time over which live batches are compared.
const FOR: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);

/// Checks the keys of the step at `keys`.
pub(super) fn shadow(
    document: &Document,
    keys: &[&str],
    on_drop_in: typed::OnDropIn,
    typed: Option<&typed::Shadow>,
) -> Result<ShadowPolicy, ConfigError> {
    let default = ShadowPolicy::default();
    let Some(typed) = typed else { return Ok(default) };
    let error =
        |key: &[&str], message: &str| Err(document.error(&[keys, &["shadow"], key].concat(), message));
    if !matches!(on_drop_in, typed::OnDropIn::ShadowThenSwap) {
        return error(&[], "has no meaning without on_drop_in = \"shadow_then_swap\"");
    }
    let policy = ShadowPolicy {
        runs_for: typed.r#for.map_or(default.runs_for, |span| span.0),
        rows_min: typed.rows_min.unwrap_or(default.rows_min),
        different_max: typed.different_max.unwrap_or(default.different_max),
        rejected_more_max: typed.rejected_more_max.unwrap_or(default.rejected_more_max),
        slower_max: typed.slower_max.unwrap_or(default.slower_max),
        traps_max: typed.traps_max.unwrap_or(default.traps_max),
    };
    if !FOR.contains(&policy.runs_for) {
        return error(&["for"], "must be between 100ms and 24h");
    }
    if policy.rows_min == 0 {
        return error(&["rows_min"], "must be 1 at least");
    }
    for (key, share) in
        [("different_max", policy.different_max), ("rejected_more_max", policy.rejected_more_max)]
    {
        if !(0.0..=1.0).contains(&share) {
            return error(&[key], "must be between 0 and 1");
        }
    }
    if !(policy.slower_max.is_finite() && policy.slower_max > 0.0) {
        return error(&["slower_max"], "must be a number above 0");
    }
    Ok(policy)
}
