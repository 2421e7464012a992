use millstream_model::entry::SessionId;
use millstream_model::{OffsetRange, TopicPartition};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

const DAY_1: &str = "2026-01-01";
const DAY_2: &str = "2026-01-02";
const DAY_2_US: i64 = 20_455 * MICROS_PER_DAY;

fn settings(target_bytes: u64, files_min: usize) -> MergeSettings {
    MergeSettings { target_bytes, files_min, ..MergeSettings::default() }
}

/// A file of topic `t` whose number is its first offset.
fn file(number: i64, partition: i32, day: Option<&str>, bytes: u64) -> DataFile {
    let partition = TopicPartition::new("t", partition);
    DataFile {
        table: "raw.t".to_owned(),
        path: format!("raw/t/s-{number:06}.parquet"),
        session: SessionId("s".to_owned()),
        origin: Some(partition.clone()),
        offsets: [(partition, OffsetRange::new(number, number + 1))].into(),
        epoch: 0,
        partition_values: [(DAY.to_owned(), day.map(str::to_owned))].into(),
        rows: 1,
        bytes,
    }
}

/// Merges until there is nothing more to do; gives the sizes that are left and the bytes written.
fn merge_all(files: &mut Vec<DataFile>, settings: &MergeSettings, watermark_us: Option<i64>) -> u64 {
    let mut written = 0;
    let mut merges = 0;
    loop {
        let mut groups = group(files.iter(), settings, |_| watermark_us);
        let next = groups.iter_mut().find_map(|group| group.next_merge(settings, |_| Some(0)));
        let Some(merged) = next else { return written };
        merges += 1;
        assert!(merges < 10_000, "merging does not end");
        assert!(merged.len() >= 2, "a file is not merged with itself");
        assert!(merged.iter().all(|file| file.bytes < settings.target_bytes));
        assert!(merged.iter().all(|file| file.partition_values == merged[0].partition_values));
        assert!(merged.windows(2).all(|pair| place(&pair[0]) < place(&pair[1])));
        let bytes = merged.iter().map(|file| file.bytes).sum();
        assert!(bytes < 2 * settings.target_bytes, "one merge makes one file");
        written += bytes;
        files.retain(|file| !merged.iter().any(|gone| gone.path == file.path));
        files.push(DataFile { bytes, rows: merged.iter().map(|file| file.rows).sum(), ..merged[0].clone() });
    }
}

/// Sizes are chosen per file; the merges of one day are those of `expect`, by their first offsets.
#[track_caller]
fn check(sizes: &[u64], watermark_us: Option<i64>, expect: Option<&[i64]>) {
    let files: Vec<_> =
        (0i64..).zip(sizes).map(|(number, bytes)| file(number, 0, Some(DAY_1), *bytes)).collect();
    let groups = group(files.iter(), &settings(1000, 4), |_| watermark_us);
    let merge = groups.first().and_then(|group| group.next_merge(&settings(1000, 4), |_| None));
    let numbers = merge.map(|files| files.iter().map(|file| place(file).1).collect::<Vec<_>>());
    assert_eq!(numbers.as_deref(), expect, "{sizes:?}");
}

#[test]
fn tiers_while_the_day_goes_on() {
    let going_on = Some(DAY_2_US - 1);
    check(&[10, 10, 10], going_on, None);
    check(&[10, 10, 10, 10], going_on, Some(&[0, 1, 2, 3]));
    check(&[10, 300, 12, 300, 9, 14], going_on, Some(&[0, 2, 4, 5]));
    check(&[300, 300, 300, 300, 300], going_on, Some(&[0, 1, 2, 3]));
    check(&[1000, 1000, 1000, 1000], going_on, None);
}

#[test]
fn everything_small_once_the_day_is_over() {
    let over = Some(DAY_2_US);
    check(&[10], over, None);
    check(&[10, 10], over, Some(&[0, 1]));
    check(&[1000, 10, 2000], over, None);
    check(&[300, 10, 2000, 80], over, Some(&[0, 1, 3]));
    check(&[600, 600, 600], over, Some(&[0, 1]));
    // A late row is not worth the rewriting of a large file.
    check(&[900, 1], over, None);
    check(&[900, 1, 1], over, Some(&[1, 2]));
}

#[test]
fn without_a_watermark_a_later_day_says_that_one_is_over() {
    let check = |later_rows: u64, over: bool| {
        let day = |number, bytes| DataFile { rows: 1000, ..file(number, 0, Some(DAY_1), bytes) };
        let later = DataFile { rows: later_rows, ..file(9, 0, Some(DAY_2), 10) };
        let files = [day(0, 10), day(1, 10), later];
        let groups = group(files.iter(), &settings(1000, 4), |_| None);
        assert_eq!(groups[0].rule == Rule::Balanced(2), over, "{later_rows}");
    };
    check(1, false);
    check(19, false);
    check(20, true);
}

#[test]
fn files_of_different_tables_days_topics_epochs_and_forms_stay_apart() {
    let one = file(0, 0, Some(DAY_1), 10);
    let check = |other: DataFile, together: bool| {
        let groups = group([&one, &other].into_iter(), &settings(1000, 2), |_| Some(DAY_2_US));
        assert_eq!(!groups.is_empty(), together, "{other:?}");
    };
    let other = file(1, 7, Some(DAY_1), 10);
    check(other.clone(), true);
    check(DataFile { table: "curated.t".to_owned(), ..other.clone() }, false);
    check(DataFile { epoch: 1, ..other.clone() }, false);
    check(file(1, 7, Some(DAY_2), 10), false);
    check(file(1, 7, None, 10), false);
    check(DataFile { offsets: [].into(), ..other.clone() }, true);
    check(DataFile { offsets: [].into(), origin: None, ..other.clone() }, false);
    let topic = TopicPartition::new("u", 0);
    check(DataFile { offsets: [(topic, OffsetRange::new(0, 1))].into(), ..other.clone() }, false);

    let files: Vec<_> = (0..4).map(|number| file(number, 0, Some(DAY_1), 10)).collect();
    let groups = group(files.iter(), &settings(1000, 2), |_| Some(DAY_2_US));
    let form = |file: &DataFile| (place(file).1 > 0).then_some(place(file).1 as usize % 2);
    let merge = groups[0].next_merge(&settings(1000, 2), form).unwrap();
    assert_eq!(merge.iter().map(|file| place(file).1).collect::<Vec<_>>(), [0, 1, 3]);
}

/// Whatever comes in: merging ends, few small files are left, and a byte is not written too often.
#[test]
fn a_day_ends_with_few_small_files_and_bounded_work() {
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let settings = settings(1 << 20, random.random_range(2..10));
        let (partitions, usual) = (random.random_range(1..6), random.random_range(1..100_000));
        let mut files = Vec::new();
        let mut all = Vec::new();
        let mut written = 0;
        for number in 0..random.random_range(1..400) {
            let bytes = random.random_range(usual / 2..=usual * 2).max(1);
            files.push(file(number, random.random_range(0..partitions), Some(DAY_1), bytes));
            all.push(bytes);
            written += merge_all(&mut files, &settings, Some(DAY_2_US - 1));
        }
        let total: u64 = all.iter().sum();
        let tiers = u64::from(tier(*all.iter().min().unwrap(), &settings)) + 1;
        assert!(written <= total * tiers * 2, "seed {seed}: {written} of {total} in {tiers} tiers");
        merge_all(&mut files, &settings, Some(DAY_2_US));
        let small = files.iter().filter(|file| file.bytes < settings.target_bytes);
        assert!(small.count() <= 7, "seed {seed}: {files:?}");
        assert_eq!(files.iter().map(|file| file.bytes).sum::<u64>(), total, "seed {seed}");
    }
}
