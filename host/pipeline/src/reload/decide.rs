//! What is done with a plugin that was found in the folder. Pure: what is known of the file, the log and the
//! step's policy goes in, a decision comes out.

use millstream_model::Digest;

use crate::config::OnDropIn;

/// What is known of a plugin in the place of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// Digest of the file.
    pub(super) file: Digest,
    /// Digest that the file had before, if this worker saw it change.
    pub(super) replaced: Option<Digest>,
    /// Plugin that the log desires for the step; none if it knows no such step.
    pub(super) desired: Option<Digest>,
    /// True if the log desired the file's plugin once and does no more.
    pub(super) retired: bool,
    /// What the step's configuration says.
    pub(super) policy: OnDropIn,
    /// What the plugin asks for that the running one did not have.
    pub(super) widened: &'a [String],
    /// True if somebody has approved that.
    pub(super) approved: bool,
    /// True if it ran as a shadow and kept the step's thresholds.
    pub(super) shadowed: bool,
}

/// What is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It runs already.
    Same,
    /// It takes over.
    Take,
    /// It is a copy of what was replaced.
    Leave,
    /// It waits until somebody approves what is new.
    AwaitApproval,
    /// It waits until it is promoted.
    Hold,
    /// It runs beside the live version first.
    Shadow,
}

/// Decides. The log wins over the folder: an earlier version is a wish only where it took the place of the one
/// that is desired, before this worker's eyes.
pub(super) fn decide(facts: &Facts<'_>) -> Decision {
    match facts.desired {
        None => return Decision::Take,
        Some(desired) if desired == facts.file => return Decision::Same,
        desired if facts.retired && facts.replaced != desired => return Decision::Leave,
        Some(_) => {}
    }
    if !facts.widened.is_empty() && !facts.approved {
        return Decision::AwaitApproval;
    }
    match facts.policy {
        OnDropIn::Swap => Decision::Take,
        OnDropIn::ShadowThenSwap if facts.shadowed => Decision::Take,
        OnDropIn::ShadowThenSwap => Decision::Shadow,
        OnDropIn::Hold => Decision::Hold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    /// Facts as words: `file=b log=a` and, where they hold, `replaced=a`, `retired`, `widened`, `approved`,
    /// `shadowed`, `hold`, `shadow`.
    #[track_caller]
    fn check(facts: &str, expected: Decision) {
        let value = |key: &str| {
            let word = facts.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            word.map(digest)
        };
        let has = |word: &str| facts.split(' ').any(|found| found == word);
        let widened = ["newly reads column `driver_name`".to_owned()];
        let facts = Facts {
            file: value("file").expect("a file"),
            replaced: value("replaced"),
            desired: value("log"),
            retired: has("retired"),
            policy: match (has("hold"), has("shadow")) {
                (true, _) => OnDropIn::Hold,
                (_, true) => OnDropIn::ShadowThenSwap,
                _ => OnDropIn::Swap,
            },
            widened: if has("widened") { &widened } else { &[] },
            approved: has("approved"),
            shadowed: has("shadowed"),
        };
        assert_eq!(decide(&facts), expected, "{facts:?}");
    }

    #[test]
    fn the_log_wins_over_files_that_lie_about_and_policies_over_new_ones() {
        check("file=a", Decision::Take);
        check("file=a hold widened", Decision::Take);
        check("file=a log=a", Decision::Same);
        check("file=a log=a replaced=b hold widened", Decision::Same);
        check("file=b log=a", Decision::Take);
        check("file=b log=a replaced=a", Decision::Take);
        check("file=b log=a replaced=c", Decision::Take);
        // Rolled back: the file that lies about stays what it is, also if it is another old one.
        check("file=b log=a retired", Decision::Leave);
        check("file=b log=a retired replaced=c", Decision::Leave);
        check("file=b log=a retired hold widened", Decision::Leave);
        // Whoever copies an old version over the running one wants it.
        check("file=b log=a retired replaced=a", Decision::Take);
        check("file=b log=a retired replaced=a hold", Decision::Hold);
        check("file=b log=a hold", Decision::Hold);
        check("file=b log=a shadow", Decision::Shadow);
        check("file=b log=a widened", Decision::AwaitApproval);
        check("file=b log=a widened hold", Decision::AwaitApproval);
        check("file=b log=a widened shadow", Decision::AwaitApproval);
        check("file=b log=a widened approved", Decision::Take);
        check("file=b log=a widened approved hold", Decision::Hold);
        check("file=b log=a widened approved shadow", Decision::Shadow);
        check("file=b log=a shadowed shadow", Decision::Take);
        check("file=b log=a shadowed hold", Decision::Hold);
        check("file=b log=a shadowed shadow widened", Decision::AwaitApproval);
        check("file=b log=c shadowed shadow retired replaced=a", Decision::Leave);
    }
}
