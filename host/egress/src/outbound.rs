//! What a step sends with: takes the requests of one call on the step's own thread, has the egress threads send
//! them, and waits for all of them or the end of the allowance.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use futures::StreamExt as _;
use millstream_engine::{Allowance, HostFigures, Outbound, OutboundError, Request, Response};

use crate::Threads;
use crate::exchange::Exchanger;
use crate::figures::Figures;

/// Requests of one call that are on their way at the same time, to all servers.
const REQUESTS_AT_ONCE: usize = 32;

/// Sends for one step.
pub(crate) struct StepOutbound {
    threads: Arc<Threads>,
    sender: Arc<Sender>,
}

struct Sender {
    exchanger: Exchanger,
    figures: Figures,
}

impl StepOutbound {
    pub(crate) fn new(threads: Arc<Threads>, exchanger: Exchanger) -> Self {
        Self { threads, sender: Arc::new(Sender { exchanger, figures: Figures::default() }) }
    }
}

impl Outbound for StepOutbound {
    fn send(&self, requests: Vec<Request>, allowance: Allowance) -> Vec<Result<Response, OutboundError>> {
        let expected = requests.len();
        let (answers, answered) = mpsc::sync_channel(1);
        let sender = Arc::clone(&self.sender);
        self.threads.runtime().spawn(async move {
            let room = AtomicUsize::new(allowance.bytes);
            let asked = requests.into_iter().map(|request| sender.ask(request, allowance.until, &room));
            let all: Vec<_> = futures::stream::iter(asked).buffered(REQUESTS_AT_ONCE).collect().await;
            // Whoever asked waits for this.
            let _ = answers.send(all);
        });
        // Each request ends with the allowance, so this does, too.
        answered.recv().unwrap_or_else(|_| {
            vec![Err(OutboundError::Failed("requests are not sent any more".to_owned())); expected]
        })
    }

    fn figures(&self) -> Vec<HostFigures> {
        self.sender.figures.all()
    }
}

impl Sender {
    async fn ask(
        &self,
        request: Request,
        until: Instant,
        room: &AtomicUsize,
    ) -> Result<Response, OutboundError> {
        let (begun, host) = (Instant::now(), self.exchanger.host(&request));
        let exchange = self.exchanger.exchange(request, room);
        let answer = tokio::time::timeout_at(until.into(), exchange).await;
        let answer = answer.unwrap_or(Err(OutboundError::Timeout));
        self.figures.count(host, &answer, begun.elapsed());
        answer
    }
}
