//! Making [`Problem`]s.

use super::Problem;

impl Problem {
    /// A problem with a stable `code` (the catalogue's key without `problem_`) and its English
    /// sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            args: std::collections::BTreeMap::new(),
        }
    }

    /// The same with one more argument for the catalogue.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "callers pass numbers, paths' displays and format_args! as they come"
    )]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.args.insert(name.to_owned(), value.to_string());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl From<proxy_engine::control::Problem> for Problem {
    fn from(problem: proxy_engine::control::Problem) -> Self {
        Self::new(problem.code, problem.message)
    }
}
