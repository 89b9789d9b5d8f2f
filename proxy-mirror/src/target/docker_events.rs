//! What is so at a Docker daemon, now and after each event of its.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::query_parameters::EventsOptions;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::Daemon;

/// Events that came together are worth one look.
const TOGETHER: usize = 256;

/// What `look` sees, and again whenever it is something else after events of these `kinds` (the
/// filters of `docker events`). The stream lives through restarts of the daemon (while it is away,
/// nothing is there) and ends with its receiver.
pub(super) fn watch<T, Look, Seen>(
    daemon: Daemon,
    kinds: &[(&str, &[&str])],
    look: Look,
) -> BoxStream<'static, T>
where
    T: Clone + Default + PartialEq + Send + 'static,
    Look: Fn(Docker) -> Seen + Clone + Send + 'static,
    Seen: Future<Output = T> + Send + 'static,
{
    let filters = kinds.iter().map(|(key, values)| {
        let values = values.iter().map(|value| (*value).to_owned());
        ((*key).to_owned(), values.collect())
    });
    let filters: HashMap<String, Vec<String>> = filters.collect();
    let rounds = stream::unfold(daemon, move |daemon| {
        let (filters, look) = (filters.clone(), look.clone());
        async move {
            let round = match daemon.api().await {
                Ok(docker) => until_it_goes(docker, filters, look),
                Err(_) => stream::once(async { T::default() }).boxed(),
            };
            Some((round.chain(pause()), daemon))
        }
    });
    let mut last: Option<T> = None;
    let news = rounds.flatten().filter_map(move |seen| {
        let news = (last.as_ref() != Some(&seen)).then(|| seen.clone());
        last = Some(seen);
        std::future::ready(news)
    });
    news.boxed()
}

/// Between a daemon's going and the next look for it. Yields nothing.
fn pause<T: Send + 'static>() -> BoxStream<'static, T> {
    let wait = stream::once(tokio::time::sleep(Duration::from_secs(1)));
    wait.filter_map(|()| async { None }).boxed()
}

fn until_it_goes<T, Look, Seen>(
    docker: Docker,
    filters: HashMap<String, Vec<String>>,
    look: Look,
) -> BoxStream<'static, T>
where
    T: Send + 'static,
    Look: Fn(Docker) -> Seen + Send + 'static,
    Seen: Future<Output = T> + Send + 'static,
{
    // The daemon tells again what happened since before the first look, so that nothing falls
    // between that and the listening.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let options = EventsOptions {
        since: now.ok().map(|now| now.as_secs().to_string()),
        filters: Some(filters),
        ..EventsOptions::default()
    };
    let events = docker
        .events(Some(options))
        .take_while(|event| std::future::ready(event.is_ok()))
        .ready_chunks(TOGETHER)
        .map(drop)
        .boxed();
    let looks = stream::once(async {}).chain(events);
    looks.then(move |()| look(docker.clone())).boxed()
}
