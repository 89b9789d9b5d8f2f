//! `make bench`: the engine beside its peers, on one path and in one run, into `results.md`.
//!
//! With names of stages as arguments (`transparent`, `memory`, `explicit`, `routing`, `pac`,
//! `agent`, `pace`) only
//! these are run, and the table is only printed. With `--long` the steady paces take five minutes.
//!
//! `make soak` is `soak MINUTES`: nothing is measured, and nothing may go wrong.

mod agent;
mod error;
mod goals;
mod hello;
mod load;
mod machine;
mod measure;
mod origin;
mod pac;
mod peer;
mod process;
mod profile;
mod results;
mod rig;
mod routing;
mod run;
mod sessions;
#[cfg(test)]
mod smoke;
mod soak;
mod statistics;
mod sums;
mod way;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    proxy_engine::pac::worker::serve_if_asked();
    let words: Vec<String> = std::env::args().skip(1).collect();
    run::raise_descriptor_limit();
    if let [first, minutes] = &words[..]
        && first == "soak"
    {
        let done = soak::run(&soak::Extent::minutes(minutes.parse()?))?;
        println!("nothing went wrong, and nothing is left: {done}");
        return Ok(());
    }
    let plan = run::Plan::parse(&words)?;
    let results = run::run(&plan)?;
    if plan.is_whole() {
        results.write()
    } else {
        print!("{}", results.markdown()?);
        Ok(())
    }
}
