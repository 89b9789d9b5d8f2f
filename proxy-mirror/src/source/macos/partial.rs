//! What holds for one interface or for some domains alone.

use super::scutil::{Dictionary, Entry};

/// A sentence for each interface and each set of domains that has settings of its own, other than
/// those that hold by default.
pub(super) fn notes(proxies: &Dictionary) -> Vec<String> {
    let own = said(proxies);
    let mut notes = Vec::new();
    if let Some(Entry::Dictionary(scoped)) = proxies.get("__SCOPED__") {
        for (interface, entry) in scoped.entries() {
            if let Entry::Dictionary(scoped) = entry
                && let Some(said) = said(scoped)
                && Some(&said) != own.as_ref()
            {
                notes.push(format!(
                    "connections that are bound to {} go to {said}",
                    interface.escape_debug()
                ));
            }
        }
    }
    if let Some(Entry::List(supplemental)) = proxies.get("__SUPPLEMENTAL__") {
        for entry in supplemental {
            if let Entry::Dictionary(supplemental) = entry
                && let Some(said) = said(supplemental)
            {
                let domains = domains(supplemental);
                notes.push(format!(
                    "what is below {domains} goes to {said}: a rule of the settings says the same \
                     (`gangway set rules`)"
                ));
            }
        }
    }
    notes
}

/// The domains of such an entry: a list as services set it, or one of them as configd sorts it.
fn domains(entry: &Dictionary) -> String {
    let mut domains = entry.texts("SupplementalMatchDomains");
    domains.extend(entry.text("SupplementalMatchDomain"));
    if domains.is_empty() {
        "some domains".to_owned()
    } else {
        domains.join(", ").escape_debug().to_string()
    }
}

/// The proxy or script that is chosen, in short.
fn said(proxies: &Dictionary) -> Option<String> {
    match super::chosen(proxies) {
        Ok(None) => None,
        Ok(Some(reading)) => Some(reading.said().to_string()),
        Err((_, error)) => Some(format!("a proxy that is none ({error})")),
    }
}
