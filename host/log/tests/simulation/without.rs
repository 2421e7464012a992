//! A test per rule: taken out, the simulation finds the hole that it closes.

use millstream_log::invariants::Violation as V;
use millstream_log::{Rule, Rules};

use crate::seeds::run;
use crate::world::Failure;

const SEEDS: u64 = 2000;

/// Without `rule`, some seed fails, and in one of the ways that `expected` names.
fn check(rule: Rule, expected: fn(&Failure) -> bool) {
    for seed in 0..SEEDS {
        let (world, result) = run(seed, Rules::without(rule));
        if let Err(failure) = result {
            assert!(expected(&failure), "{}\nseed {seed}: {failure}", world.trace.join("\n"));
            return;
        }
    }
    panic!("{SEEDS} seeds without {rule:?} found nothing");
}

macro_rules! without {
    ($($test:ident: $rule:ident => $($violation:ident)|+ $(, or $halted:ident)?;)+) => {
        $(#[test]
        fn $test() {
            check(Rule::$rule, |failure| {
                matches!(failure, $(Failure::Violated(V::$violation { .. }))|+ $(| Failure::$halted(_))?)
            });
        })+

        #[test]
        fn every_rule_is_tested() {
            let tested = [$(Rule::$rule),+];
            assert!(Rule::ALL.iter().all(|rule| tested.contains(rule)));
        }
    };
}

without! {
    contiguous_ranges: ContiguousRanges => RangeGap;
    state_parent: StateParent => StateWrong;
    removed_files_live: RemovedFilesLive => RowTwice;
    rows_of_range: RowsOfRange => RowTwice | FileMissing;
    replay_parent: ReplayParent => RowTwice | RowUnaccounted;
    offsets_kept: OffsetsKept => RowTwice | RowUnaccounted;
    topic_epoch: TopicEpoch => TopicMixed | FileMissing;
    adopted_once: AdoptedOnce => MessageTwice;
    file_session_open: FileSessionOpen => FileMissing;
    writer_open: WriterOpen => WriterNotOpen;
    one_task_per_file: OneTaskPerFile => RowUnaccounted | RowTwice | StateWrong;
    source_identity: SourceIdentity => SourceMixed;
    plugins_desired: PluginsDesired => PluginNotInForce | VersionWrong;
    settled_plugins: SettledPlugins => VersionWrong | PluginNotInForce;
    plugins_parent: PluginsParent => ChangeUndone;
    hash_chain: HashChain => ChainBroken;
    watermarks_rise: WatermarksRise => WatermarkBack;
    boundary_rises: BoundaryRises => BoundaryBack;
    resolve_unknown: ResolveUnknown => AcceptedLost | ViewDiffers;
    identical_retry: IdenticalRetry => FileMissing;
    compare_nonce: CompareNonce => FileMissing;
    fence_by_boundary: FenceByBoundary => AcceptedLost | ViewDiffers;
    confirm_loss: ConfirmLoss => FileMissing;
    boundary_at_head: BoundaryAtHead => ViewStale | ViewDiffers;
    publish_before_delete: PublishBeforeDelete => ViewStale | AcceptedLost | ViewDiffers, or Halted;
    close_before_delete: CloseBeforeDelete => FileMissing;
}
