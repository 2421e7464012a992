//! Does what is asked for by digest: approvals, promotions, rollbacks, also those that a circuit asks for.

use millstream_log::StepVersion;
use millstream_model::Digest;
use millstream_model::entry::ChangeCause;

use super::grant::Outcome;
use super::shadowing::{UPLOAD, UPLOADED};
use super::target::Version;
use super::thread::{Stopped, Work, step_of};
use super::view::{before, last_good};
use super::wish::{Origin, Wanted, Wish};
use super::{Ask, View};
use crate::admin::{AdminError, CandidateState, Changed, Reply, Request, StepId};
use crate::config::OnCircuit;
use crate::error::RunError;

impl Work {
    /// Answers a request that the run's loop passed on. Who asked may have gone away.
    pub(super) fn answer(&mut self, request: Request) -> Result<(), Stopped> {
        match request {
            Request::Approve(step, plugin, reply) => {
                let answer = self.approve(&step, plugin)?;
                let _ = reply.send(answer);
            }
            Request::Promote(step, plugin, reply) => {
                let answer = self.promote(&step, plugin)?;
                let _ = reply.send(answer);
            }
            Request::RollBack(step, plugin, reply) => {
                let answer = self.roll_back(&step, plugin)?;
                let _ = reply.send(answer);
            }
            Request::Dismiss(step, reply) => {
                let known = self.candidates.forget(&step);
                self.shadows.leave_forgotten(&self.candidates);
                let none = || AdminError::Unknown(format!("step {step} has no candidate"));
                let _ = reply.send(known.then_some(()).ok_or_else(none));
            }
            Request::Pause(_, _, reply) | Request::Resume(_, reply) => elsewhere(reply),
            Request::Shadow(step, candidate, extent, reply) => {
                let answer = self.shadow(&step, candidate, extent)?;
                let _ = reply.send(answer);
            }
        }
        Ok(())
    }

    fn approve(&mut self, step: &StepId, plugin: Digest) -> Result<Result<(), AdminError>, Stopped> {
        let Some((plugin, candidate)) = self.candidates.get(step, plugin) else {
            return Ok(Err(AdminError::Unknown(format!("step {step} has no such candidate"))));
        };
        let CandidateState::AwaitsApproval { widened } = candidate.state else {
            let text = format!("the candidate of step {step} does not wait for an approval");
            return Ok(Err(AdminError::Conflict(text)));
        };
        let Some(settings) = step_of(&self.config, step).map(|step| step.config.clone()) else {
            return Ok(Err(unknown(step)));
        };
        self.candidates.approve(step, plugin.digest(), widened);
        if candidate.from == UPLOAD {
            let state = CandidateState::Held { reason: UPLOADED.to_owned() };
            self.candidates.note(step, Some(&plugin), UPLOAD, state);
            return Ok(Ok(()));
        }
        // It was decided to be a wish before.
        let view = self.line.view(vec![plugin.digest()])?;
        let replaced = view.desired(step).map(|used| used.plugin);
        let origin = Origin::Folder { replaced, approved: true, shadowed: false };
        let version = Version { plugin, config: settings };
        let wanted = Wanted { version, from: candidate.from, origin };
        let outcome = self.carry_out(Wish::of(ChangeCause::DroppedIn, step.clone(), wanted))?;
        Ok(match outcome {
            Outcome::Refused(reason) => Err(AdminError::Refused(reason)),
            Outcome::Granted(_) | Outcome::Nothing => Ok(()),
        })
    }

    fn promote(&mut self, step: &StepId, plugin: Digest) -> Result<Result<Changed, AdminError>, Stopped> {
        let Some(settings) = step_of(&self.config, step).map(|step| step.config.clone()) else {
            return Ok(Err(unknown(step)));
        };
        if let Some((plugin, candidate)) = self.candidates.get(step, plugin) {
            return match candidate.state {
                CandidateState::AwaitsApproval { widened } => Ok(Err(unapproved(&widened))),
                CandidateState::Refused { reason } => Ok(Err(AdminError::Conflict(reason))),
                _ => {
                    let version = Version { plugin, config: settings };
                    self.promote_candidate(step, version, candidate.from)
                }
            };
        }
        let view = self.line.view(vec![plugin])?;
        let versions = view.versions(step);
        if versions.last().is_some_and(|present| present.plugin == plugin) {
            return Ok(Err(AdminError::Conflict(format!("step {step} runs {} already", plugin.short()))));
        }
        match before(versions, Some(plugin)).cloned() {
            Some(version) => self.go_back(step, &version, ChangeCause::Promoted),
            None => {
                let text = format!("step {step} has no candidate and had no version {}", plugin.short());
                Ok(Err(AdminError::Unknown(text)))
            }
        }
    }

    /// What runs now may be another version than the one that the candidate was compared with.
    fn promote_candidate(
        &mut self,
        step: &StepId,
        version: Version,
        from: String,
    ) -> Result<Result<Changed, AdminError>, Stopped> {
        let plugin = version.plugin.clone();
        let view = self.line.view(vec![plugin.digest()])?;
        let widened = self.widened_by(step, version.clone(), &view)?;
        if self.candidates.is_approved(step, plugin.digest(), &widened) {
            return self.change_to(step, version, from, ChangeCause::Promoted);
        }
        let error = unapproved(&widened);
        self.candidates.note(step, Some(&plugin), &from, CandidateState::AwaitsApproval { widened });
        self.shadows.leave_forgotten(&self.candidates);
        Ok(Err(error))
    }

    /// What this version would newly ask for; nothing if it cannot even be planned, of which who tries it hears.
    fn widened_by(&mut self, step: &StepId, version: Version, view: &View) -> Result<Vec<String>, Stopped> {
        let Some(stream) = self.config.streams.iter().find(|stream| stream.name == step.stream).cloned()
        else {
            return Ok(Vec::new());
        };
        let wanted = Wanted { version, from: String::new(), origin: Origin::Asked };
        let wish = Wish::of(ChangeCause::Promoted, step.clone(), wanted);
        match self.plan_for(&stream, &wish, view)? {
            Ok(plan) => self.widened(step, &plan, view),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn roll_back(
        &mut self,
        step: &StepId,
        to: Option<Digest>,
    ) -> Result<Result<Changed, AdminError>, Stopped> {
        if step_of(&self.config, step).is_none() {
            return Ok(Err(unknown(step)));
        }
        let view = self.line.view(Vec::new())?;
        match (before(view.versions(step), to).cloned(), to) {
            (Some(version), _) => self.go_back(step, &version, ChangeCause::RolledBack),
            (None, Some(plugin)) => {
                let text = format!("step {step} had no version {} before the present one", plugin.short());
                Ok(Err(AdminError::Unknown(text)))
            }
            (None, None) => {
                Ok(Err(AdminError::Conflict(format!("step {step} had no version before the present one"))))
            }
        }
    }

    /// Lets a step run a version that the log knows, with the configuration that it had.
    fn go_back(
        &mut self,
        step: &StepId,
        version: &StepVersion,
        cause: ChangeCause,
    ) -> Result<Result<Changed, AdminError>, Stopped> {
        match self.known_version(step, version)? {
            Ok(version) => self.change_to(step, version, "the lake".to_owned(), cause),
            Err(error) => Ok(Err(AdminError::Conflict(error.to_string()))),
        }
    }

    pub(super) fn known_version(
        &mut self,
        step: &StepId,
        version: &StepVersion,
    ) -> Result<Result<Version, RunError>, Stopped> {
        let (name, _) = self.plugin_of(step).unwrap_or_default();
        let plugin = match self.line.wait(self.library.in_lake(&name, version.plugin))? {
            Ok(plugin) => plugin,
            Err(error) => return Ok(Err(error)),
        };
        let config = self.line.wait(self.library.config(version.config))?;
        Ok(config.map(|config| Version { plugin, config }))
    }

    fn change_to(
        &mut self,
        step: &StepId,
        version: Version,
        from: String,
        cause: ChangeCause,
    ) -> Result<Result<Changed, AdminError>, Stopped> {
        let plugin = version.plugin.digest();
        let wanted = Wanted { version, from, origin: Origin::Asked };
        let outcome = self.carry_out(Wish::of(cause, step.clone(), wanted))?;
        Ok(match outcome {
            Outcome::Granted(Some(sequence)) => Ok(Changed { plugin, sequence }),
            Outcome::Granted(None) | Outcome::Nothing => {
                Err(AdminError::Conflict(format!("step {step} runs {} already", plugin.short())))
            }
            Outcome::Refused(reason) => Err(AdminError::Conflict(reason)),
        })
    }

    /// The circuit of a step opened: lets the last good version take over, or pauses the stream if there is none.
    pub(super) fn leave_broken(
        &mut self,
        step: &StepId,
        plugin: Digest,
        reason: &str,
    ) -> Result<(), Stopped> {
        let view = self.line.view(Vec::new())?;
        if view.desired(step).is_none_or(|used| used.plugin != plugin) {
            // It has been replaced meanwhile.
            return Ok(());
        }
        let short = plugin.short();
        let policy = step_of(&self.config, step).map(|step| step.circuit.on_open).unwrap_or_default();
        let last_good = match policy {
            OnCircuit::LastGood => self.last_good(step, &view)?,
            OnCircuit::Pause => Err("on_circuit is \"pause\"".to_owned()),
            OnCircuit::DeadLetters => return Ok(()),
        };
        let failure = match last_good {
            Ok(version) => {
                let now = version.plugin.digest().short();
                let wanted = Wanted { version, from: "the lake".to_owned(), origin: Origin::Asked };
                let wish = Wish::of(ChangeCause::CircuitOpened, step.clone(), wanted);
                match self.carry_out(wish)? {
                    // Perhaps by another worker, whose circuit opened as well.
                    Outcome::Granted(_) | Outcome::Nothing => {
                        tracing::error!(
                            %step, broken = short, now, reason,
                            "the circuit of a step opened; the last good version takes over"
                        );
                        return Ok(());
                    }
                    Outcome::Refused(reason) => reason,
                }
            }
            Err(why) => why,
        };
        tracing::error!(%step, broken = short, reason, failure, "the circuit of a step opened; its stream pauses");
        let reason = format!("the circuit of step `{}` opened: {reason}", step.step);
        self.line.tell(Ask::Pause { stream: step.stream.clone(), step: step.step.clone(), reason })
    }

    fn last_good(&mut self, step: &StepId, view: &View) -> Result<Result<Version, String>, Stopped> {
        let Some(version) = last_good(view.versions(step)).cloned() else {
            return Ok(Err("there is no good version before it".to_owned()));
        };
        Ok(self.known_version(step, &version)?.map_err(|error| error.to_string()))
    }
}

pub(super) fn unknown(step: &StepId) -> AdminError {
    AdminError::Unknown(format!("there is no step {step}"))
}

fn unapproved(widened: &[String]) -> AdminError {
    let widened = widened.join(", ");
    AdminError::Conflict(format!(
        "it asks for more than the running version had: {widened}; approve it first"
    ))
}

fn elsewhere<T>(reply: Reply<T>) {
    let _ = reply.send(Err(AdminError::NotRunning("busy")));
}
