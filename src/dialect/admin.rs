//! Health and metrics: what an operator's tools ask.
//!
//! `GET /healthz` and `GET /livez` answer `200 ok` as long as the process turns. `GET /readyz`
//! answers whether a balancer should send clients here: 200 `{"ready":true}`, or 503 with the
//! reason. `GET /metrics` answers in the Prometheus text format 0.0.4, one sample per shard. All
//! read shared counters only and ask no hub.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use super::{Action, AllMetrics, Dialect, Parts, Refused, Responder, Tools, respond_error};
use crate::metrics::{Api, RefusalKind};
use crate::protocol::http1::{Head, Method};

/// What the admin paths are made of.
#[derive(Debug)]
pub struct Admin {
    /// The metrics of every shard, in order.
    metrics: AllMetrics,
}

/// A path of this dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/healthz` and `/livez`.
    Health,
    /// `/readyz`.
    Ready,
    /// `/metrics`.
    Metrics,
}

impl Route {
    /// The route that a path names.
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "/healthz" | "/livez" => Some(Self::Health),
            "/readyz" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

impl Dialect for Admin {
    type Route<'b> = Route;
    type Pending = Infallible;
    type Client = Infallible;
    type Undo = Infallible;
    type Encoding = Infallible;
    type Rendering = ();
    type View = Infallible;

    const NAME: &'static str = "admin";

    fn of(parts: &Parts<'_>) -> Self {
        Self {
            metrics: Arc::clone(parts.metrics),
        }
    }

    fn route(&self, path: &str) -> Option<Route> {
        Route::parse(path)
    }

    /// Only `GET` and `HEAD`, without a body to speak of.
    fn admit(
        &self,
        _route: Route,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        if matches!(head.method, Method::Get | Method::Head) {
            return Ok(0);
        }
        let exchange = to.exchange;
        to.begin(405)
            .header("Allow", b"GET, HEAD")
            .empty(exchange.keep_alive);
        Err(Refused)
    }

    fn handle(
        &self,
        route: Route,
        _head: &Head<'_, '_>,
        _body: &[u8],
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        self.respond(route, to);
        Action::Done
    }
}

impl Admin {
    fn respond(&self, route: Route, to: &mut Responder<'_>) {
        let exchange = to.exchange;
        let is_ready = self.metrics.iter().all(|shard| shard.ready.value() == 1);
        let (content_type, body) = match route {
            Route::Health => ("text/plain; charset=utf-8", String::from("ok\n")),
            Route::Ready if is_ready => ("application/json", String::from("{\"ready\":true}\n")),
            Route::Ready => {
                let message = "the node starts or leaves";
                respond_error(to, &[], 503, "not_ready", message);
                return;
            }
            Route::Metrics => ("text/plain; version=0.0.4; charset=utf-8", self.render()),
        };
        if body.is_empty() {
            respond_error(to, &[], 503, "no_metrics", "no shard has started");
            return;
        }
        to.begin(200).header("Cache-Control", b"no-store").body(
            Some(content_type),
            body.as_bytes(),
            exchange.keep_alive,
            exchange.head_only,
        );
    }

    fn render(&self) -> String {
        let mut samples: Vec<(&str, &str, &str, Vec<u64>)> = Vec::new();
        for (shard, metrics) in self.metrics.iter().enumerate() {
            let mut position = 0;
            metrics.visit(|kind, name, help, value| {
                if shard == 0 {
                    samples.push((kind, name, help, Vec::new()));
                }
                samples[position].3.push(value);
                position += 1;
            });
        }
        let mut text = String::new();
        for (kind, name, help, values) in samples {
            let suffix = if kind == "counter" { "_total" } else { "" };
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "# HELP fanfare_{name}{suffix} {help}");
            let _ = writeln!(text, "# TYPE fanfare_{name}{suffix} {kind}");
            for (shard, value) in values.iter().enumerate() {
                let _ = writeln!(text, "fanfare_{name}{suffix}{{shard=\"{shard}\"}} {value}");
            }
        }
        self.render_refusals(&mut text);
        text
    }

    fn render_refusals(&self, text: &mut String) {
        let name = "fanfare_refusals_total";
        let help = "Refusals of access, by what was wrong and in which dialect.";
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for &kind in RefusalKind::EVERY {
            for &api in Api::EVERY {
                for (shard, metrics) in self.metrics.iter().enumerate() {
                    let value = metrics.refusals.of(kind, api).value();
                    let (kind, api) = (kind.as_str(), api.as_str());
                    let _ = writeln!(
                        text,
                        "{name}{{kind=\"{kind}\",dialect=\"{api}\",shard=\"{shard}\"}} {value}"
                    );
                }
            }
        }
    }
}
