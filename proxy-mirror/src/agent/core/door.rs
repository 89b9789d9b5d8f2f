//! The questions of the API, answered.

use proxy_engine::config::Scheme;

use super::{Core, Role};
use crate::agent::known::Known;
use crate::agent::{logins, targets};
use crate::change::{Asking, builder};
use crate::control::{
    Applied, ApplyRequest, Door, Examination, Explanation, Plan, Problem, SettingsChange,
    SettingsView, Status, StoreCredentials, TargetView, Undone,
};
use crate::settings::{Settings, SettingsError};
use crate::target::{Daemon, TargetId};
use crate::{doctor, settings};

impl Door for Core {
    async fn status(&self) -> Result<Status, Problem> {
        Ok((*self.refresh().await).clone())
    }

    async fn plan(&self) -> Result<Plan, Problem> {
        let known = self.look().await;
        Self::must_be_known(&known)?;
        let report = self.report().await;
        Ok(targets::plan(&self.places, &known, &report).await.view)
    }

    async fn apply(&self, request: ApplyRequest) -> Result<Applied, Problem> {
        let _turn = self.changing.lock().await;
        self.follow().await;
        self.heard().await;
        let known = self.look().await;
        Self::must_be_known(&known)?;
        let planned = targets::plan(&self.places, &known, &self.report().await).await;
        if planned.view.id != request.plan {
            return Err(Problem::new(
                "plan_stale",
                "the machine has changed since the plan was shown: look at `gangway plan` again",
            ));
        }
        let refused = planned.view.refused.clone();
        let done = targets::execute(&self.places, planned, self.asking()).await?;
        let status = self.refresh().await;
        let targets: Vec<TargetView> = status.targets.clone();
        Ok(Applied {
            done,
            refused,
            targets,
        })
    }

    async fn undo(&self, only: Option<&TargetId>) -> Result<Undone, Problem> {
        let _turn = self.changing.lock().await;
        if let Some(target) = only {
            let known = self.look().await;
            let names = targets::names(&self.places, &known, &self.report().await).await;
            // One of a distro that does not run now, or a builder that was removed, may have left
            // something in the journal.
            let comes_and_goes = { ["wsl:", builder::TARGET] }
                .iter()
                .any(|prefix| target.0.starts_with(prefix));
            if !names.contains(target) && !comes_and_goes {
                let names: Vec<&str> = names.iter().map(|name| name.0.as_str()).collect();
                return Err(no_such_target(target, &names.join(", ")));
            }
            self.may_leave_alone(target)
                .map_err(|error| error.problem())?;
        }
        let undone = targets::undo(&self.places, only.cloned(), self.asking()).await?;
        if let Some(target) = only {
            // Whoever takes it out of one target does not want it there with the next `apply`.
            self.edit_settings(|settings| leave_alone(settings, target))?;
            self.follow_settings().await;
        }
        self.refresh().await;
        Ok(undone)
    }

    async fn explain(&self, url: &str) -> Result<Explanation, Problem> {
        let known = self.look().await;
        Self::must_be_known(&known)?;
        let decision = &known.decision;
        let explanation = doctor::explain(url, decision).map_err(|error| error.problem())?;
        let mut explanation = doctor::ask_script(url, decision, explanation).await;
        let to = doctor::asked(url).map_err(|error| error.problem())?;
        let report = self.report().await;
        explanation.worlds = targets::ways(&self.places, &known, &report, &to).await;
        Ok(explanation)
    }

    async fn examine(&self) -> Result<Examination, Problem> {
        let status = self.refresh().await;
        let known = self.known();
        let desks = targets::desks(&self.places);
        let ground = doctor::Ground {
            status: &status,
            places: &self.places,
            desks: &desks,
            docker: &Daemon::local(&self.places.rootless),
            certificates: known
                .as_ref()
                .and_then(|known| known.decision.policy.certificates.as_ref()),
        };
        Ok(doctor::examine(&ground).await)
    }

    async fn settings(&self) -> Result<SettingsView, Problem> {
        let settings =
            settings::load(self.places.settings_files()).map_err(|error| error.problem())?;
        self.settings_view(&settings).await
    }

    async fn change_settings(&self, mut change: SettingsChange) -> Result<SettingsView, Problem> {
        let _turn = self.changing.lock().await;
        let script = match change.pac_text.take() {
            Some(text) => {
                let script = settings::KeptScript::new(&self.places.settings, &text);
                let script = script.map_err(|error| error.problem())?;
                change.pac = Some(script.address());
                Some(script)
            }
            None => None,
        };
        let changed = self.changed(&change).map_err(|error| error.problem())?;
        if let (Some(password), Some(upstream)) = (changed.password, &changed.settings.upstream) {
            let user = upstream.user().unwrap_or_default();
            self.keychain
                .store(user, &upstream.authority(), password)
                .await
                .map_err(|error| error.problem())?;
            self.passwords.were_given(&upstream.authority());
        }
        // Once more: the keychain may have asked somebody for a while, who may have edited the file
        // meanwhile.
        let changed = self.changed(&change).map_err(|error| error.problem())?;
        if let Some(script) = &script {
            script.keep().map_err(|error| error.problem())?;
        }
        settings::save(self.places.settings_files(), &changed.settings)
            .map_err(|error| error.problem())?;
        self.follow_settings().await;
        if let Some(script) = script {
            // Nobody follows them any longer.
            script.forget_others(&changed.settings);
        }
        self.settings_view(&changed.settings).await
    }

    async fn store_credentials(&self, credentials: StoreCredentials) -> Result<(), Problem> {
        let StoreCredentials {
            authority,
            scheme,
            user,
            password,
        } = credentials;
        let scheme = scheme.as_deref().map(scheme_of).transpose()?;
        let _turn = self.changing.lock().await;
        self.keychain
            .store(&user, &authority, password.into())
            .await
            .map_err(|error| error.problem())?;
        self.passwords.were_given(&authority);
        let mut named = self
            .known()
            .map_or_else(Vec::new, |known| known.upstreams());
        // Those that a PAC script has named so far.
        let engine = self.report().await.status;
        let met = { engine.into_iter() }.flat_map(|engine| engine.upstreams);
        named.extend(met.map(|met| met.upstream));
        let at = logins::At {
            authority: &authority,
            scheme,
        };
        self.edit_settings(|settings| logins::remember(settings, &named, &at, &user))?;
        self.follow_settings().await;
        Ok(())
    }

    async fn forget_credentials(&self, authority: &str) -> Result<(), Problem> {
        let _turn = self.changing.lock().await;
        let known = self.look().await;
        for user in logins::users(&known.settings, &known.decision.wanted, authority) {
            self.keychain
                .remove(&user, authority)
                .await
                .map_err(|error| error.problem())?;
        }
        self.passwords.forget(authority);
        self.edit_settings(|settings| logins::forget(settings, authority))?;
        self.follow_settings().await;
        Ok(())
    }
}

impl Core {
    /// Settings that cannot be read, and none from before: whatever is done would be a guess.
    fn must_be_known(known: &Known) -> Result<(), Problem> {
        match &known.settings_problem {
            Some(problem) if !known.was_read => Err(problem.clone()),
            _ => Ok(()),
        }
    }

    /// Where root may be asked for: somebody has typed the command that looks by itself.
    fn asking(&self) -> Asking {
        match self.role {
            Role::Agent(_) => Asking::Aside,
            Role::Alone => Asking::of_a_command(),
        }
    }

    fn edit_settings(&self, edit: impl FnOnce(&mut Settings)) -> Result<(), Problem> {
        let file = self.places.settings_files();
        let mut settings = settings::load(file).map_err(|error| error.problem())?;
        edit(&mut settings);
        settings::save(file, &settings).map_err(|error| error.problem())
    }

    /// The new settings are in force when this returns.
    async fn follow_settings(&self) {
        self.follow().await;
        self.heard().await;
    }

    async fn settings_view(&self, settings: &Settings) -> Result<SettingsView, Problem> {
        let stored = match &settings.upstream {
            // Without a keychain nothing is stored in it; the status says that there is none.
            Some(upstream) => matches!(self.keychain.get_for(upstream).await, Ok(Some(_))),
            None => false,
        };
        let files = self.places.settings_files();
        let managed = settings::Managed::read(files).map_err(|error| error.problem())?;
        Ok(settings::view(settings, files, &managed, stored))
    }

    /// The settings as they are now, changed; refused where that is not the user's to change.
    fn changed(&self, change: &SettingsChange) -> Result<settings::Changed, SettingsError> {
        let files = self.places.settings_files();
        let current = settings::load(files)?;
        let changed = settings::change(&current, change)?;
        settings::Managed::read(files)?.permit(&current, &changed.settings)?;
        Ok(changed)
    }

    /// Asked before anything is given back: where the administrator has fixed which targets are left
    /// alone, the next `apply` would bring it there again.
    fn may_leave_alone(&self, target: &TargetId) -> Result<(), SettingsError> {
        let files = self.places.settings_files();
        let before = settings::load(files)?;
        let mut after = before.clone();
        leave_alone(&mut after, target);
        settings::Managed::read(files)?.permit(&before, &after)
    }
}

fn scheme_of(text: &str) -> Result<Scheme, Problem> {
    Scheme::parse(text).ok_or_else(|| {
        let known = Scheme::ALL.map(Scheme::as_str).join(", ");
        let message = format!("`{text}` is no way to speak to a proxy: write one of {known}");
        Problem::new("no_such_scheme", message)
            .with("scheme", text)
            .with("known", known)
    })
}

fn leave_alone(settings: &mut Settings, target: &TargetId) {
    if !settings.leave_alone.contains(&target.0) {
        settings.leave_alone.push(target.0.clone());
    }
}

fn no_such_target(target: &TargetId, names: &str) -> Problem {
    Problem::new(
        "no_such_target",
        format!("there is no target `{}`: write one of {names}", target.0),
    )
    .with("target", &target.0)
    .with("names", names)
}
