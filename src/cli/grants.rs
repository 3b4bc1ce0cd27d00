//! `--grants`, for tokens and users alike.

use clap::builder::PossibleValuesParser;

use crate::config::GRANTS;

/// Some grants, or the command's own default.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct GrantArgs {
    /// Grants: some of publish, subscribe and admin, separated by commas.
    #[arg(long, value_name = "GRANTS", value_delimiter = ',', value_parser = PossibleValuesParser::new(GRANTS))]
    grants: Option<Vec<String>>,
}

impl GrantArgs {
    /// Returns the grants, each once, in the order of [`GRANTS`].
    pub(super) fn or(&self, default: &[&str]) -> Vec<String> {
        let given = |word: &&str| match &self.grants {
            Some(words) => words.iter().any(|given| given == word),
            None => default.contains(word),
        };
        GRANTS
            .iter()
            .filter(|word| given(word))
            .map(ToString::to_string)
            .collect()
    }
}

/// Grants as an array of TOML: words of letters, for which nothing is escaped.
pub(super) fn toml_list(grants: &[String]) -> String {
    format!("[\"{}\"]", grants.join("\", \""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grant_is_named_once() {
        let grants = |words: Option<&[&str]>| {
            let words = words.map(|words| words.iter().map(ToString::to_string).collect());
            toml_list(&GrantArgs { grants: words }.or(&["subscribe"]))
        };
        assert_eq!(grants(None), "[\"subscribe\"]");
        let twice = ["admin", "publish", "admin"];
        assert_eq!(grants(Some(&twice)), "[\"publish\", \"admin\"]");
    }
}
