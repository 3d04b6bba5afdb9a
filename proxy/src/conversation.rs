//! The requests of one client connection, and the way upstream they share.
//!
//! Nouns: [`Conversation`], [`Road`]. An intercepted connection has one upstream connection of its own;
//! an explicit one takes lines from the pool.

use std::sync::{Arc, Mutex, PoisonError};

use egret_policies::{Code, ExchangeId, Trouble};
use http::{Method, Request};
use hyper::body::Incoming;

use crate::entropy;
use crate::forward::{self, Refused, permitted};
use crate::gate::Refusal;
use crate::judge::Known;
use crate::line::Line;
use crate::open::{OpenExchange, OpenFlow};
use crate::pool::Key;
use crate::reach::{self, Located};
use crate::read::{self, Bound, Objection};
use crate::reply::Reply;
use crate::transparent;
use crate::upstream::Offer;
use crate::watched::is_substitute;

/// One client connection, after unwrapping.
pub(crate) struct Conversation {
    pub(crate) flow: Arc<OpenFlow>,
    pub(crate) bound: Bound,
    pub(crate) road: Road,
}

/// How its requests travel.
pub(crate) enum Road {
    /// Over one connection, dialled before the client's handshake was answered.
    Own {
        /// `None` where nothing was dialled: then every request is refused by what is known.
        line: Mutex<Option<Arc<Line>>>,
        /// What to propose when it has to be dialled again.
        offer: Offer,
    },
    /// Over lines from the pool, each request its own.
    Pooled,
}

impl Conversation {
    /// One request: read, opened, judged, forwarded; refused by the gate where it must be.
    pub(crate) async fn exchange(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Reply, Unidentified> {
        let (parts, body) = request.into_parts();
        let method = parts.method.clone();
        if is_substitute(&method) {
            return self.unreadable(&method).await;
        }
        let (mut known, objection) = read::head(&self.bound, &parts, &self.flow);
        let objection = objection.or_else(|| transparent::unproven(&self.flow, &known));
        if let Some(objection) = &objection {
            known.fail(objection.trouble);
        }
        let exchange = OpenExchange::new(&self.flow, identify()?, known);
        let forwarded = match objection {
            Some(objection) => {
                // Its record shows the target: what must not stand in a record has to be known.
                forward::scan_head(&exchange, &parts);
                Err(objected(&exchange, objection))
            }
            None => Box::pin(forward::forward(&self, &exchange, parts, body)).await,
        };
        match forwarded {
            Ok(reply) => Ok(reply),
            Err(refused) => Ok(refuse(&exchange, refused, &method).await),
        }
    }

    /// What is known of every request before its head is read.
    pub(crate) fn known(&self) -> Known {
        match &self.bound {
            Bound::To(known) => known.clone(),
            Bound::Anywhere => Known::default(),
        }
    }

    /// A head that cannot be read: refused and recorded, and nothing of it shown.
    async fn unreadable(&self, method: &Method) -> Result<Reply, Unidentified> {
        let mut known = self.known();
        known.fail(Trouble::BadRequest);
        let exchange = OpenExchange::new(&self.flow, identify()?, known);
        let refused = Refused {
            verdict: exchange.judge(),
            detail: Some(UNREADABLE.into()),
        };
        Ok(refuse(&exchange, refused, method).await)
    }

    /// Where a request may be sent, by the one resolution, so that one rule decides all that follows. `None`: the
    /// address is known already.
    pub(crate) async fn locate(&self, exchange: &OpenExchange) -> Result<Option<Located>, Refused> {
        let mut known = exchange.with_known(|known| known.clone());
        if known.address.is_some() {
            return Ok(None);
        }
        if let Some(before) = self.before() {
            known.address = before.first();
            exchange.reached(&known);
            return Ok(Some(before));
        }
        let located = reach::locate(&self.flow, &mut known).await;
        exchange.reached(&known);
        match located {
            Some(located) => Ok(Some(located)),
            None => Err(self.unreached(exchange)),
        }
    }

    /// The line for a judged request: the connection's own, one from the pool, or a new one.
    pub(crate) async fn line(
        &self,
        exchange: &OpenExchange,
        located: Option<Located>,
    ) -> Result<Arc<Line>, Refused> {
        if let Some(line) = self.open_line(exchange) {
            return Ok(line);
        }
        self.dial(exchange, located.or_else(|| self.before())).await
    }

    /// A newly dialled line in the place of `spent`, to the same address: it is the one that was judged, and the one
    /// on record.
    pub(crate) async fn fresh_line(
        &self,
        exchange: &OpenExchange,
        spent: &Line,
    ) -> Result<Arc<Line>, Refused> {
        self.dial(exchange, Some(Located::at(spent.address())))
            .await
    }

    /// After the answer's head: where the line goes once the answer is over.
    pub(crate) fn give_back(&self, exchange: &OpenExchange, line: &Arc<Line>) {
        if let Road::Pooled = self.road
            && let Some(key) = self.key(exchange)
        {
            self.flow.shared.pool.give_back(key, Arc::clone(line));
        }
    }

    /// Where the connection's own line goes: the name is not resolved a second time for it.
    fn before(&self) -> Option<Located> {
        match &self.road {
            Road::Own { line, .. } => lock(line).as_ref().map(|line| Located::at(line.address())),
            Road::Pooled => None,
        }
    }

    /// A line that is there already.
    fn open_line(&self, exchange: &OpenExchange) -> Option<Arc<Line>> {
        match &self.road {
            Road::Own { line, .. } => lock(line).clone().filter(|line| !line.is_closed()),
            Road::Pooled => self.flow.shared.pool.take(&self.key(exchange)?),
        }
    }

    async fn dial(
        &self,
        exchange: &OpenExchange,
        located: Option<Located>,
    ) -> Result<Arc<Line>, Refused> {
        let offer = match &self.road {
            Road::Own { offer, .. } => *offer,
            Road::Pooled => Offer::Unstated,
        };
        let mut known = exchange.with_known(|known| known.clone());
        let located = match located {
            Some(located) => Some(located),
            None => reach::locate(&self.flow, &mut known).await,
        };
        let dialled = match located {
            Some(located) => reach::dial(&self.flow, &mut known, &located, offer).await,
            None => None,
        };
        exchange.reached(&known);
        match dialled {
            Some(line) => Ok(self.adopt(line)),
            None => Err(self.unreached(exchange)),
        }
    }

    fn adopt(&self, line: Line) -> Arc<Line> {
        let line = Arc::new(line);
        if let Road::Own { line: own, .. } = &self.road {
            *lock(own) = Some(Arc::clone(&line));
        }
        line
    }

    fn key(&self, exchange: &OpenExchange) -> Option<Key> {
        exchange.with_known(|known| {
            Some(Key {
                host: known.host.clone()?,
                address: known.address?,
                port: known.port,
                generation: self.flow.snapshot.policy.generation(),
                client: self.flow.flow.client.0.ip(),
            })
        })
    }

    /// What is known now refuses; if it did not, there would be a line.
    fn unreached(&self, exchange: &OpenExchange) -> Refused {
        match permitted(exchange.judge()) {
            Err(refused) => refused,
            Ok(_) => Refused {
                verdict: exchange.fail(Trouble::UpstreamUnreachable),
                detail: None,
            },
        }
    }
}

/// No identifier could be drawn: the connection ends, since nothing on it could be recorded.
#[derive(Debug, thiserror::Error)]
#[error("no randomness for an identifier")]
pub(crate) struct Unidentified;

/// Records a refusal and answers it.
pub(crate) async fn refuse(
    exchange: &Arc<OpenExchange>,
    refused: Refused,
    method: &Method,
) -> Reply {
    let Refused {
        mut verdict,
        mut detail,
    } = refused;
    // Where the log has just failed, the client need not wait for it to fail again.
    let is_due = !exchange.is_decided() && verdict.code != Some(Code::AuditUnavailable);
    if is_due && exchange.decide(&verdict).await.is_err() {
        verdict = exchange.fail(Trouble::AuditUnavailable);
        detail = None;
    }
    let findings = exchange.with_known(|known| known.findings.clone());
    let refusal = Refusal {
        exchange: exchange.id,
        verdict: &verdict,
        findings: &findings,
        detail: detail.as_deref(),
        method,
    };
    let answer = refusal.answer();
    exchange.outcome(|outcome| outcome.status = Some(answer.status().as_u16()));
    answer
}

/// A head that cannot stand is refused whatever the policy says.
fn objected(exchange: &OpenExchange, objection: Objection) -> Refused {
    Refused {
        verdict: exchange.judge(),
        detail: Some(objection.detail),
    }
}

/// An identifier for an exchange.
pub(crate) fn identify() -> Result<ExchangeId, Unidentified> {
    let [high, low] = words()?;
    Ok(ExchangeId(high, low))
}

/// 128 random bits in two words.
pub(crate) fn words() -> Result<[u64; 2], Unidentified> {
    let high: [u8; 8] = entropy::bytes().map_err(|_| Unidentified)?;
    let low: [u8; 8] = entropy::bytes().map_err(|_| Unidentified)?;
    Ok([u64::from_ne_bytes(high), u64::from_ne_bytes(low)])
}

const UNREADABLE: &str = "the head of the request is malformed or too large";

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
