//! `gangway doctor`: one line a check, with cause and remedy; `--fix` carries out what Gangway itself
//! can mend.

use proxy_mirror::control::{Door, Examination, Finding, Fix, Verdict};

use super::{apply, bundle, engine, reach};
use crate::arguments::Doctor;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Examines; with `--fix` mends, asking as the commands that do it ask, and examines again. Ends
/// with 4 where something is broken.
pub(super) async fn doctor(asked: Doctor, output: Output, words: Words) -> Result<Exit, Failure> {
    let mut examination = reach().await?.examine().await?;
    if asked.fix {
        show(&examination, output, words);
        if fix(&examination, asked.yes, output, words).await? {
            examination = reach().await?.examine().await?;
            show(&examination, output, words);
        } else {
            output.line(&words.text("cli_doctor_nothing_to_fix"));
        }
    } else {
        show(&examination, output, words);
    }
    if let Some(file) = &asked.bundle {
        bundle::write(file, &reach().await?, &examination).await?;
        let file = file.display().to_string();
        output.line(&words.with("cli_doctor_bundle", &[("file", &file)]));
    }
    output.json(&examination);
    Ok(match examination.worst {
        Verdict::Good | Verdict::Warn => Exit::Ok,
        Verdict::Bad => Exit::NotInForce,
    })
}

/// Says whether there was anything to mend.
async fn fix(
    examination: &Examination,
    yes: bool,
    output: Output,
    words: Words,
) -> Result<bool, Failure> {
    let wants = |fix: Fix| {
        examination
            .findings
            .iter()
            .any(|finding| finding.fix == fix)
    };
    // `apply` offers the engine itself, before it tells anybody of it.
    if wants(Fix::Apply) {
        apply::apply(yes, output.beside_json(), words).await?;
        return Ok(true);
    }
    if wants(Fix::InstallEngine) && engine::can_be_installed() {
        engine::install_asking(yes, output.beside_json(), words).await?;
        return Ok(true);
    }
    Ok(false)
}

fn show(examination: &Examination, output: Output, words: Words) {
    let findings = examination.findings.iter();
    let mut lines: Vec<String> = findings
        .flat_map(|finding| of(finding, output, words))
        .collect();
    let count = |verdict: Verdict| {
        let of = examination.findings.iter();
        of.filter(|finding| finding.verdict == verdict)
            .count()
            .to_string()
    };
    lines.push(words.with(
        "cli_doctor_summary",
        &[
            ("good", &count(Verdict::Good)),
            ("warn", &count(Verdict::Warn)),
            ("bad", &count(Verdict::Bad)),
        ],
    ));
    output.lines(&lines);
}

fn of(finding: &Finding, output: Output, words: Words) -> Vec<String> {
    let (sign, word, tone) = match finding.verdict {
        Verdict::Good => ("✓", "cli_doctor_good", Tone::Good),
        Verdict::Warn => ("!", "cli_doctor_warn", Tone::Warn),
        Verdict::Bad => ("✗", "cli_doctor_bad", Tone::Bad),
    };
    let mut head = words.text(&format!("cli_check_{}", finding.check));
    if !finding.subject.is_empty() {
        head = format!("{head} {}", finding.subject);
    }
    let verdict = output.tone(tone, &format!("{sign} {}", words.text(word)));
    let what = words.said(&finding.what);
    let mut lines = vec![format!("{verdict}  {}: {}", plain(&head), plain(&what))];
    if !finding.remedy.english.is_empty() {
        let remedy = words.said(&finding.remedy);
        let line = words.with("cli_doctor_remedy", &[("remedy", &remedy)]);
        lines.push(format!("   {}", plain(&line)));
    }
    lines
}
