//! All that is published at a tick.

use std::sync::Arc;

use model::{CatalogFacts, NotChecked, Published, Snapshot};
use sql::ShapeRegistry;

use crate::detectors::{Inputs, all, run};
use crate::{DetectionSettings, Workload};

/// Shows the tick to every detector. Takes some milliseconds for a thousand statements; the caller
/// keeps it off the data path's threads.
#[must_use]
pub fn publish(
    snapshot: Arc<Snapshot>,
    catalog: Arc<CatalogFacts>,
    shapes: &ShapeRegistry,
    settings: &DetectionSettings,
) -> Published {
    let window = snapshot.window(settings.window);
    let workload = Workload::new(&snapshot, &window);
    let inputs = Inputs {
        snapshot: &snapshot,
        window: &window,
        workload: &workload,
        catalog: &catalog,
        shapes,
        settings,
    };
    let mut verdicts = run(&all(), &inputs);
    let unread = catalog
        .unavailable
        .iter()
        .map(|one| NotChecked { check: one.what.clone(), why: one.why.clone() });
    verdicts.not_checked.extend(unread);
    Published {
        snapshot,
        catalog,
        findings: verdicts.findings,
        checked: verdicts.checked,
        not_checked: verdicts.not_checked,
        results: Vec::new(),
    }
}

#[cfg(test)]
mod healthy;
#[cfg(test)]
mod tests;
