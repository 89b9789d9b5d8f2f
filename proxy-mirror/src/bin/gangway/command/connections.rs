//! `gangway connections`: who is connected, whereto, which way and why.

use std::time::{SystemTime, UNIX_EPOCH};

use proxy_mirror::agent::connections;
use proxy_mirror::control::{ConnectionHappening, ConnectionView, RouteView, WhoView};

use super::places;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Prints the connections, or what happens to them until it is interrupted.
pub(super) async fn connections(
    all: bool,
    watch: bool,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    if watch {
        return follow(output, words).await;
    }
    let mut list = connections::list(&places()?).await?;
    list.connections.retain(|c| all || c.ended_ms.is_none());
    output.json(&list);
    if list.connections.is_empty() {
        output.line(&words.text("cli_connections_none"));
    }
    for connection in &list.connections {
        output.lines(&lines(connection, output, words));
    }
    Ok(Exit::Ok)
}

async fn follow(output: Output, words: Words) -> Result<Exit, Failure> {
    let mut follow = connections::follow(&places()?).await?;
    while let Some(happening) = follow.next().await? {
        output.json_line(&happening);
        match &happening {
            // Nothing is known yet but who it is: its way comes in a moment.
            ConnectionHappening::Opened { .. } => {}
            ConnectionHappening::Routed { connection }
            | ConnectionHappening::Ended { connection } => {
                output.lines(&lines(connection, output, words));
            }
            ConnectionHappening::Lost { events } => {
                let events = events.to_string();
                output.line(&words.with("cli_connections_lost", &[("events", &events)]));
            }
        }
    }
    output.line(&words.text("cli_connections_engine_ended"));
    Ok(Exit::Failed)
}

/// Who and whereto; then the way and how much. What others named is in it: everything goes through
/// [`plain`].
fn lines(connection: &ConnectionView, output: Output, words: Words) -> Vec<String> {
    let name = connection
        .name
        .as_ref()
        .or(connection.original_dst.as_ref());
    let name = name.map_or("…", String::as_str);
    let heading = format!("{} → {name}", who(connection, words));
    let mut facts = vec![match &connection.route {
        Some(route) => way(route, connection.dialled.as_deref(), words),
        None => words.text("cli_connections_undecided"),
    }];
    facts.push(format!(
        "↑ {}  ↓ {}",
        bytes(connection.bytes_up),
        bytes(connection.bytes_down)
    ));
    let (key, since) = match connection.ended_ms {
        None => ("cli_connections_open_for", now_ms()),
        Some(ended) => ("cli_connections_lasted", ended),
    };
    let age = age(since.saturating_sub(connection.started_ms));
    facts.push(words.with(key, &[("time", &age)]));
    let mut lines = vec![
        format!(
            "{:>5}  {}",
            connection.id,
            output.tone(Tone::Heading, &heading)
        ),
        format!("       {}", plain(&facts.join("  "))),
    ];
    if let Some(error) = &connection.error {
        lines.push(format!(
            "       {}",
            output.tone(Tone::Bad, &words.problem(error))
        ));
    }
    lines
}

fn who(connection: &ConnectionView, words: Words) -> String {
    if let Some(from) = &connection.chained {
        return words.with(
            "cli_connections_chained",
            &[("client", &from.client), ("engine", &from.engine)],
        );
    }
    match &connection.who {
        None => connection.client.clone(),
        Some(WhoView::Guest { name }) => name.clone(),
        Some(WhoView::Local {
            uid,
            user,
            pid,
            program,
        }) => {
            let user = user.clone().unwrap_or_else(|| uid.to_string());
            match (program, pid) {
                (Some(program), Some(pid)) => words.with(
                    "cli_connections_process",
                    &[
                        ("program", program),
                        ("pid", &pid.to_string()),
                        ("user", &user),
                    ],
                ),
                _ => words.with("cli_connections_user", &[("user", &user)]),
            }
        }
    }
}

fn way(route: &RouteView, dialled: Option<&str>, words: Words) -> String {
    let (kind, reason) = match route {
        RouteView::Direct { reason } => (words.text("cli_route_direct"), Some(reason)),
        RouteView::Refused { reason } => (words.text("cli_route_refused"), Some(reason)),
        RouteView::Upstream { upstream, reason } => {
            let kind = words.with("cli_route_upstream", &[("upstream", upstream)]);
            (kind, Some(reason))
        }
        RouteView::Chained { engine } => {
            let kind = words.with("cli_connections_passed_on", &[("engine", engine)]);
            (kind, None)
        }
    };
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let dialled = dialled.map_or_else(String::new, |address| format!(", {address}"));
    format!("{kind}{reason}{dialled}")
}

/// With three figures: `999 B`, `1.23 kB`, `45.6 MB`.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "three figures are shown")]
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.995) + usize::from(value < 99.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `0.4 s`, `12 s`, `3 min`, `2 h`: in units that are the same in every language.
fn age(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        10_000..120_000 => format!("{} s", milliseconds / 1000),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", milliseconds / 3_600_000),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 shows as 1970.
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proxy_mirror::control::{ChainedView, ConnectionView, WhoView};
    use proxy_mirror::messages::Language;

    use super::{age, bytes, lines};
    use crate::output::Output;
    use crate::words::Words;

    #[test]
    fn a_chained_connection_is_shown_as_its_clients_and_not_as_the_engines() {
        let connection = ConnectionView {
            id: 7,
            client: "10.66.0.10:40312".to_owned(),
            who: Some(WhoView::Guest {
                name: "node".to_owned(),
            }),
            via: "chained".to_owned(),
            original_dst: None,
            chained: Some(ChainedView {
                engine: "inner".to_owned(),
                client: "172.17.0.2:51000".to_owned(),
                path: vec!["inner".to_owned()],
            }),
            name: Some("web.example.test:443".to_owned()),
            route: None,
            dialled: None,
            bytes_up: 0,
            bytes_down: 0,
            started_ms: 0,
            ended_ms: Some(0),
            error: None,
        };
        for (language, client) in [
            (Language::En, "172.17.0.2:51000 behind the engine inner"),
            (Language::Ja, "172.17.0.2:51000 (エンジン inner の先)"),
        ] {
            let lines = lines(&connection, Output::new(false), Words::of(language));
            let heading = format!("{client} → web.example.test:443");
            assert!(lines[0].contains(&heading), "{lines:#?}");
            assert!(!lines.concat().contains("node"), "{lines:#?}");
        }
    }

    #[test]
    fn amounts_are_read_at_a_glance() {
        for (count, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1234, "1.23 kB"),
            (9996, "10.0 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (45_600_000, "45.6 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
        for (milliseconds, shown) in [
            (0, "0.0 s"),
            (9_999, "9.9 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(age(milliseconds), shown);
        }
    }
}
