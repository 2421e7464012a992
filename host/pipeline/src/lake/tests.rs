use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};

use super::*;

async fn contents(lake: &Lake) -> BTreeSet<String> {
    let found: Vec<_> =
        lake.store().list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    found.into_iter().collect()
}

#[tokio::test]
async fn makes_the_folder_and_leaves_nothing_of_the_probe() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new/lake");
    let lake = Lake::open(root.to_str().unwrap()).unwrap();
    lake.probe().await.unwrap();
    assert_eq!(contents(&lake).await, BTreeSet::new());
    assert!(lake.display_path("raw/a.parquet").ends_with("new/lake/raw/a.parquet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_creates_wins_and_its_bytes_stay() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(&format!("file://{}", folder.path().display())).unwrap();
    let path = Path::from("log/deep/000001.json");
    let racers = (0..16).map(|racer| {
        let (store, path) = (lake.store(), path.clone());
        tokio::spawn(async move {
            let content = format!("racer {racer}");
            let outcome = store.put_opts(&path, content.clone().into(), PutMode::Create.into()).await;
            match outcome {
                Ok(_) => Some(content),
                Err(object_store::Error::AlreadyExists { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        })
    });
    let outcomes: Vec<_> =
        futures::stream::iter(racers).then(|racer| async { racer.await.unwrap() }).collect().await;
    let winners: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let found = lake.store().get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(found, winners[0].as_bytes());
    assert_eq!(contents(&lake).await, BTreeSet::from([path.to_string()]));
}

#[tokio::test]
async fn overwrites_where_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = Lake::open(folder.path().to_str().unwrap()).unwrap().store();
    let path = Path::from("latest");
    for content in ["one", "two"] {
        store.put(&path, content.into()).await.unwrap();
    }
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "two");
}

#[test]
fn refuses_what_cannot_be_a_lake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let check = |url: &str, expect: &str| {
        let error = Lake::open(url).unwrap_err().to_string();
        assert!(error.contains(expect), "`{url}` gave: {error}");
    };
    check("", "it is empty");
    check("ftp://host/lake", "the scheme `ftp` is not known");
    check(file.to_str().unwrap(), "a file is in its place");
    check(file.join("below").to_str().unwrap(), "a file is in its place");
}
