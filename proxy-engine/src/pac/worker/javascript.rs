//! The script in QuickJS: within its time and its memory, and with nothing of ours but the functions
//! that the format promises.

use std::rc::Rc;
use std::time::Duration;

use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Function, Persistent, Runtime, Value};

use super::functions::{self, Shared};
use super::message::{Ask, Outcome, Wants};
use crate::pac::BUDGET;

/// What a script and its values may take.
const MEMORY: usize = 32 << 20;
/// So deep may it call itself: far less than the stack of a program's first thread.
const STACK: usize = 1 << 20;
/// So long may it take to be read, once: a big one holds thousands of rules.
const READ: Duration = Duration::from_secs(2);
/// No more of what a script says is passed on.
const SHOWN: usize = 200;

/// An engine without a script. All that it will ever need of the system it has.
pub(super) struct Prepared {
    runtime: Runtime,
    shared: Rc<Shared>,
}

/// An engine that has read its script.
pub(super) struct Engine {
    // Before the context and the runtime that it belongs to, when all this is dropped.
    function: Persistent<Function<'static>>,
    context: Context,
    runtime: Runtime,
    shared: Rc<Shared>,
}

/// Why a script is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotRead {
    /// It must know this first, and is then read anew.
    Wants(Wants),
    /// It is no program.
    Unusable(String),
}

impl Prepared {
    /// An interpreter with the functions of the format.
    pub(super) fn new() -> Result<Self, String> {
        let failed = |error: rquickjs::Error| format!("the interpreter does not start: {error}");
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(MEMORY);
        runtime.set_max_stack_size(STACK);
        let shared = Rc::<Shared>::default();
        let clock = Rc::clone(&shared);
        runtime.set_interrupt_handler(Some(Box::new(move || clock.is_late())));
        let prepared = Self { runtime, shared };
        // The time zone stands in a file, which is read but once.
        let first = prepared.context()?;
        first
            .with(|ctx| ctx.eval::<Value<'_>, _>("new Date().getHours()").map(drop))
            .map_err(failed)?;
        Ok(prepared)
    }

    fn context(&self) -> Result<Context, String> {
        let context = Context::full(&self.runtime).map_err(|error| error.to_string())?;
        context.with(|ctx| {
            let installed = functions::install(&ctx, &self.shared).catch(&ctx);
            installed.map_err(|error| said(&error))
        })?;
        Ok(context)
    }

    /// Reads the script, which defines `FindProxyForURL`, and knows what stands in `ask`.
    pub(super) fn read(&self, script: &str, ask: Ask) -> Result<Engine, NotRead> {
        let context = self.context().map_err(NotRead::Unusable)?;
        self.shared.begin(ask, READ);
        let read = context.with(|ctx| {
            let read = ctx.eval::<Value<'_>, _>(script).catch(&ctx);
            read.map_err(|error| said(&error))?;
            find(&ctx).map(|function| Persistent::save(&ctx, function))
        });
        if let Some(wants) = self.shared.wanted() {
            return Err(NotRead::Wants(wants));
        }
        if self.shared.was_late() {
            let why = "it does not come to its end";
            return Err(NotRead::Unusable(why.into()));
        }
        Ok(Engine {
            function: read.map_err(NotRead::Unusable)?,
            context,
            runtime: self.runtime.clone(),
            shared: Rc::clone(&self.shared),
        })
    }
}

fn find<'js>(ctx: &Ctx<'js>) -> Result<Function<'js>, String> {
    // Whoever defines the second function only, means it.
    ["FindProxyForURL", "FindProxyForURLEx"]
        .into_iter()
        .find_map(|name| ctx.eval::<Function<'js>, _>(name).catch(ctx).ok())
        .ok_or_else(|| "it defines no function FindProxyForURL".to_owned())
}

impl Engine {
    /// Calls the function.
    pub(super) fn ask(&mut self, ask: Ask) -> Outcome {
        let shared = &self.shared;
        let (url, host) = (ask.url.clone(), ask.host.clone());
        shared.begin(ask, BUDGET);
        let outcome = self.context.with(|ctx| {
            let function = match self.function.clone().restore(&ctx) {
                Ok(function) => function,
                Err(error) => return Outcome::Failed(error.to_string()),
            };
            match function.call::<_, Value<'_>>((url, host)).catch(&ctx) {
                Ok(value) => answered(&value, shared),
                Err(error) => Outcome::Failed(said(&error)),
            }
        });
        // Whatever it made of a name that was not known yet is void.
        if let Some(wants) = shared.wanted() {
            return Outcome::Wants(wants);
        }
        if shared.was_late() {
            return Outcome::Exhausted { time: true };
        }
        if matches!(outcome, Outcome::Failed(_)) && is_full(&self.runtime) {
            return Outcome::Exhausted { time: false };
        }
        outcome
    }
}

fn answered(value: &Value<'_>, shared: &Shared) -> Outcome {
    let text = match value.as_string() {
        Some(text) => text.to_string(),
        // "No proxies should be used", says the first description of the format.
        None if value.is_null() => Ok(String::new()),
        None => return Outcome::Failed(format!("it returned {}, not a text", value.type_name())),
    };
    match text {
        Ok(text) => Outcome::Answered {
            // The longest that still shows that it is too long.
            text: text.chars().take(8192).collect(),
            by_chance: shared.was_by_chance(),
        },
        Err(error) => Outcome::Failed(format!("it returned no text: {error}")),
    }
}

/// Whether it had no memory left: what it held is freed by now, but not what it keeps.
fn is_full(runtime: &Runtime) -> bool {
    runtime.run_gc();
    let used = runtime.memory_usage().malloc_size;
    usize::try_from(used).is_ok_and(|used| used > MEMORY / 2)
}

/// What was thrown, in one line.
fn said(error: &CaughtError<'_>) -> String {
    let text = match error {
        CaughtError::Exception(exception) => exception.message().unwrap_or_default(),
        CaughtError::Value(value) => match value.as_string() {
            Some(text) => text.to_string().unwrap_or_default(),
            None => format!("it threw {}", value.type_name()),
        },
        CaughtError::Error(error) => error.to_string(),
    };
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(SHOWN).collect()
}

#[cfg(test)]
mod tests;
