//! Which users of this machine may use credentials that somebody else lent.

use std::str::FromStr;

/// The users whose connections carry lent credentials, beside root and the one who lent them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum CredentialUsers {
    /// Everybody on this machine.
    All,
    /// These, by number; usually nobody.
    Listed(Vec<u32>),
}

/// A list of users that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no user number: write numbers with commas (`id -u NAME` tells them), or `all`")]
pub struct CredentialUsersError(String);

impl CredentialUsers {
    /// Whether the user is among them.
    pub fn contains(&self, uid: u32) -> bool {
        match self {
            Self::All => true,
            Self::Listed(users) => users.contains(&uid),
        }
    }
}

impl Default for CredentialUsers {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl FromStr for CredentialUsers {
    type Err = CredentialUsersError;

    fn from_str(text: &str) -> Result<Self, CredentialUsersError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let number = |part: &str| {
            part.trim()
                .parse()
                .map_err(|_| CredentialUsersError(part.to_owned()))
        };
        text.split(',')
            .map(number)
            .collect::<Result<_, _>>()
            .map(Self::Listed)
    }
}

impl TryFrom<String> for CredentialUsers {
    type Error = CredentialUsersError;

    fn try_from(text: String) -> Result<Self, CredentialUsersError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::CredentialUsers;

    #[test]
    fn numbers_and_all_are_understood_and_names_are_refused() {
        let read = |text: &str| text.parse::<CredentialUsers>();
        assert_eq!(read("all"), Ok(CredentialUsers::All));
        assert_eq!(read("33, 100"), Ok(CredentialUsers::Listed(vec![33, 100])));
        for text in ["", "alice", "33,", "-1", "ALL"] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(!CredentialUsers::default().contains(33));
    }
}
