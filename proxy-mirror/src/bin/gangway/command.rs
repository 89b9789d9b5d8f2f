//! One file a command.

use proxy_mirror::agent::{self, Reached};
use proxy_mirror::control::{Problem, SettingsChange};
use proxy_mirror::places::Places;

use crate::arguments::Command;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words::Words;

mod apply;
mod bundle;
mod connections;
mod demo;
mod doctor;
mod engine;
mod explain;
mod helper;
mod login;
mod plan;
mod profile;
mod run;
mod set;
mod status;
mod undo;

/// Carries out one command.
pub(crate) async fn carry_out(
    command: Command,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    match command {
        Command::Run => run::run(output, words).await,
        Command::Status => status::status(output, words).await,
        Command::Plan => plan::plan(output, words).await,
        Command::Apply { yes } => apply::apply(yes, output, words).await,
        Command::Undo { target, yes } => undo::undo(target, yes, output, words).await,
        Command::Explain(asked) => explain::explain(asked, output, words).await,
        Command::Doctor(asked) => doctor::doctor(asked, output, words).await,
        Command::Connections { all, watch } => {
            connections::connections(all, watch, output, words).await
        }
        Command::Engine(command) => engine::engine(command, output, words).await,
        Command::Login { upstream, user } => login::login(upstream, user, output, words).await,
        Command::Logout { upstream } => login::logout(upstream, output, words).await,
        Command::Profile { name } => profile::profile(name, output, words).await,
        Command::Set(command) => set::set(command, output, words).await,
        Command::On => set::switch(true, None, output, words).await,
        Command::Off { while_ } => set::switch(false, while_, output, words).await,
        Command::Demo => demo::demo(output).await,
        Command::DemoRole(role) => demo::role(role).await,
        Command::Helper { file } => helper::helper(file.as_deref(), output, words),
    }
}

/// The agent that runs, or this process looking by itself.
async fn reach() -> Result<Reached, Failure> {
    Ok(agent::reach(places()?).await?)
}

fn places() -> Result<Places, Failure> {
    Places::from_env().map_err(|error| {
        Problem::new("no_places", error.to_string())
            .with("reason", error)
            .into()
    })
}

/// A change of one setting, the rest as it is.
fn only(change: impl FnOnce(&mut SettingsChange)) -> SettingsChange {
    let mut settings = SettingsChange::default();
    change(&mut settings);
    settings
}
