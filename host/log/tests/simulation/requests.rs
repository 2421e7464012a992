//! Requests as the store of the simulation performs them: creates may land without an answer, late or
//! not at all; deletions go in any order and stop halfway.

use bytes::Bytes;
use millstream_log::{Action, Event};
use millstream_model::entry::Sequence;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::store::Kind;
use crate::world::{Failure, World};

impl World {
    pub fn create(&mut self, kind: Kind, sequence: Sequence, bytes: &Bytes) -> Result<bool, Failure> {
        let created = self.store.create(kind, sequence, bytes);
        if created && kind == Kind::Entry && !self.tampered {
            if sequence <= self.truth.state.sequence() {
                self.happened.count("put at a truncated slot");
            }
            if self.truth.landed(sequence, bytes, &self.source, &mut self.happened)? {
                self.truth.check_files(&self.store, self.now)?;
            }
        }
        Ok(created)
    }

    /// Performs a request, or only part of it (none). Creates may lie about what happened.
    pub fn perform(&mut self, action: &Action) -> Result<Option<Event>, Failure> {
        let found = |bytes: Option<&Bytes>| bytes.map_or(Event::NotFound, |b| Event::Found(b.clone()));
        Ok(Some(match action {
            Action::ReadBoundary => Event::Boundary(self.store.boundary()),
            Action::Get(sequence) => found(self.store.entries.get(sequence)),
            Action::GetSnapshot(sequence) => found(self.store.snapshots.get(sequence)),
            Action::Create { sequence, bytes } => self.perform_create(Kind::Entry, *sequence, bytes)?,
            Action::CreateSnapshot { sequence, bytes } => {
                self.perform_create(Kind::Snapshot, *sequence, bytes)?
            }
            Action::DeleteEntries { below } => return Ok(self.delete_some(*below)),
            Action::DeleteSnapshots { below } => {
                self.store.snapshots.retain(|sequence, _| sequence >= below);
                Event::Deleted
            }
            Action::ListFiles => Event::Files(self.store.files.keys().cloned().collect()),
            Action::DeleteFiles(paths) => {
                paths.iter().for_each(|path| drop(self.store.files.remove(path)));
                if !self.tampered {
                    self.truth.check_files(&self.store, self.now)?;
                }
                Event::Deleted
            }
        }))
    }

    pub fn perform_create(
        &mut self,
        kind: Kind,
        sequence: Sequence,
        bytes: &Bytes,
    ) -> Result<Event, Failure> {
        let fault = self.rng.random_range(0..100);
        if fault < 15 {
            self.delay(kind, sequence, bytes.clone());
            return Ok(Event::NotCreated);
        }
        if fault < 22 {
            self.happened.count("conflict with nothing there");
            return Ok(Event::NotCreated);
        }
        let created = self.create(kind, sequence, bytes)?;
        self.log(format!("create {kind:?} {sequence}: {created}, fault {fault}"));
        if created && fault < 34 {
            self.happened.count("lost reply");
            return Ok(Event::NotCreated);
        }
        Ok(if created { Event::Created } else { Event::NotCreated })
    }

    /// Deletes entries in any order and often only some of them at a time.
    pub fn delete_some(&mut self, below: Sequence) -> Option<Event> {
        let mut doomed: Vec<Sequence> = self.store.entries.range(..below).map(|(s, _)| *s).collect();
        doomed.shuffle(&mut self.rng);
        let some = self.rng.random_range(0..4) + 1;
        doomed.iter().take(some).for_each(|sequence| drop(self.store.entries.remove(sequence)));
        (doomed.len() <= some).then_some(Event::Deleted)
    }
}
