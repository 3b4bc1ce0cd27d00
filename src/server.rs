//! The server as a program: logs, limits, start, the ready line, a signal, drain, exit code.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program has a thread of its own that waits for signals"
)]

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};
use crate::dialect::Config;
use crate::limits::EXIT_LOST;
use crate::runtime::{self, Leaving, Node, StartError};

/// Serves until SIGTERM, SIGINT or SIGQUIT, then drains. Exit code 0 after an orderly end, 1 if it
/// could not start or was asked to leave twice, 2 for an address that cannot be listened on,
/// [`EXIT_LOST`] if a thread panicked or did not leave in time.
pub fn serve(config: Config) -> ExitCode {
    install_logs(&config.log);
    runtime::abort_on_panic();
    let ready_delay = config.server.ready_delay;
    let descriptors = raise_descriptor_limit();
    let asks_for_tokens = !config.organizations.is_empty();
    let node = match runtime::start(config, descriptors) {
        Ok(node) => node,
        Err(problem) => {
            error!("{problem}");
            let code = if matches!(problem, StartError::System(_)) {
                1
            } else {
                2
            };
            return ExitCode::from(code);
        }
    };
    let mut signals = match Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2]) {
        Ok(signals) => signals,
        Err(problem) => {
            error!(%problem, "cannot watch for signals");
            return ExitCode::FAILURE;
        }
    };
    announce(&node, asks_for_tokens);
    let leaving = node.leaving();
    let handle = signals.handle();
    let watcher = std::thread::spawn(move || {
        let mut asked = false;
        for signal in &mut signals {
            match signal {
                SIGTERM | SIGINT | SIGQUIT if asked => {
                    warn!("asked again: leaving at once");
                    std::process::exit(1);
                }
                SIGTERM | SIGINT | SIGQUIT => {
                    asked = true;
                    leave(signal, ready_delay, leaving.clone());
                }
                SIGHUP => warn!("SIGHUP: the configuration is read at the start only"),
                _ => info!(signal, "this signal means nothing to this server"),
            }
        }
    });
    let joined = node.join();
    handle.close();
    let _ = watcher.join();
    match joined {
        Ok(()) => {
            info!("left");
            ExitCode::SUCCESS
        }
        Err(panicked) => {
            error!(panicked, "shards were lost");
            ExitCode::from(EXIT_LOST)
        }
    }
}

/// Makes the node leave: after `ready_delay` if a supervisor asks (SIGTERM), at once if a person
/// does.
fn leave(signal: i32, ready_delay: Option<Duration>, leaving: Leaving) {
    match ready_delay {
        Some(delay) if signal == SIGTERM => {
            info!(
                signal,
                ?delay,
                "not ready any more, leaving after the delay"
            );
            leaving.announce();
            std::thread::spawn(move || {
                std::thread::sleep(delay);
                info!("leaving");
                leaving.begin();
            });
        }
        _ => {
            info!(signal, "leaving");
            leaving.begin();
        }
    }
}

/// Prints the ready line, and a few commands to try. A closed standard output is ignored.
fn announce(node: &Node, asks_for_tokens: bool) {
    let (address, shards, driver) = (node.address, node.shards, node.driver);
    let plural = if shards == 1 { "shard" } else { "shards" };
    let events = format!("http://{address}/api/sessions/demo/events");
    let token = if asks_for_tokens {
        " -H \"Authorization: Bearer $FANFARE_TOKEN\""
    } else {
        ""
    };
    // To websocat a bare -H would take the address as well.
    let websocat_token = token.replace(" -H ", " -H=");
    // The demo is for servers that ask for no tokens.
    let demo = if asks_for_tokens {
        String::new()
    } else {
        format!("open http://{address}/pubsub/demo in two windows, or\n            ")
    };
    let greeting = "{\"scope\":{\"type\":\"organization\"},\
        \"payload\":{\"event\":{\"eventName\":\"hello\",\"data\":{\"n\":1}}}}";
    let text = format!(
        "fanfare listening on {address} ({shards} {plural}, {driver})\n\
         \x20 pubsub:   {demo}curl{token} -d '{greeting}' http://{address}/api/v1/pub_subs\n\
         \x20 listen:   curl -N{token} -H 'Accept: text/event-stream' {events}\n\
         \x20 publish:  curl{token} -d '{{\"type\":\"hello\",\"data\":{{\"n\":1}}}}' {events}\n\
         \x20 history:  curl{token} '{events}?last_event=-1'\n\
         \x20 stream:   curl -N{token} 'http://{address}/event/v2/stream?subscribe.name=*'\n\
         \x20 live:     websocat{websocat_token} ws://{address}/live/ws\n"
    );
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    info!(%address, shards, %driver, "listening");
}

fn install_logs(config: &LogConfig) {
    let filter = EnvFilter::new(&config.level);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours())
        // A log that is not read must not stop the server: by default it panics about it.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A second server in one process keeps the first one's subscriber.
    let _ = match config.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Colours are for people at a terminal who want them: no-color.org, set and not empty.
fn colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !plain
}

/// Every connection is a descriptor, and the usual soft limit is 1,024. Returns the limit in force.
fn raise_descriptor_limit() -> u64 {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|problem| {
        warn!(%problem, "cannot raise the limit on open files");
        rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024)
    });
    if limit < 4_096 {
        warn!(limit, "few descriptors: few connections");
    }
    limit
}
