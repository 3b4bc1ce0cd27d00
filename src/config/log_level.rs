//! `log.level`: a level, or directives of a level for a part of the program, between commas.
//!
//! What is logged in the end the subscriber decides, which takes any word for the name of a part: a
//! level with a slip in it would pass, and silence the log. So a word that stands alone must be a
//! level here, and names that are nearly ours are taken for slips.

use super::words::closest;

/// The levels, from nothing to everything. Their numbers are taken as well.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What other programs call their levels.
const ALIASES: [(&str, &str); 12] = [
    ("all", "trace"),
    ("crit", "error"),
    ("critical", "error"),
    ("err", "error"),
    ("fatal", "error"),
    ("information", "info"),
    ("none", "off"),
    ("normal", "info"),
    ("notice", "info"),
    ("quiet", "error"),
    ("verbose", "debug"),
    ("warning", "warn"),
];

/// Whether directives are what they seem to be; the rest of their syntax is the subscriber's to
/// judge.
pub(super) fn check_level(directives: &str) -> Result<(), String> {
    if directives.contains(['[', '{', '"']) {
        // With spans and fields, in which there may be commas.
        return Ok(());
    }
    directives.split(',').map(str::trim).try_for_each(check_one)
}

fn check_one(directive: &str) -> Result<(), String> {
    let Some((target, level)) = directive.split_once('=') else {
        if directive.contains("::") {
            return check_target(directive);
        }
        return check_word(directive, directive);
    };
    check_target(target)?;
    check_word(level, directive)
}

fn check_word(level: &str, directive: &str) -> Result<(), String> {
    let word = level.to_ascii_lowercase();
    let is_number = matches!(word.as_bytes(), [b'0'..=b'5']);
    if is_number || LEVELS.contains(&&*word) {
        return Ok(());
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == word);
    let meant = alias.map(|(_, level)| *level);
    let meant = meant.or_else(|| closest(&word, &LEVELS));
    let hint = match meant {
        Some(meant) => format!("; did you mean \"{}\"?", directive.replace(level, meant)),
        // Perhaps it is a part of the program.
        None if level == directive && !level.is_empty() => {
            format!("; for everything of one part, \"{level}=trace\"")
        }
        None => String::new(),
    };
    let levels = LEVELS.join("\", \"");
    Err(format!(
        "expected a level (\"{levels}\"), or directives such as \"info,fanfare::shard=debug\", \
         found \"{directive}\"{hint}"
    ))
}

fn check_target(target: &str) -> Result<(), String> {
    let first = target.split("::").next().unwrap_or_default();
    match closest(first, &["fanfare"]) {
        Some(meant) if meant != first => {
            let meant = target.replacen(first, meant, 1);
            Err(format!(
                "nothing is called \"{target}\"; did you mean \"{meant}\"?"
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives() {
        for good in [
            "info",
            "OFF",
            "Warn",
            "5",
            "info,h2=warn",
            "info, fanfare::shard=debug",
            "warn,fanfare::runtime",
            "h2=trace",
            "info,fanfare[{a=1,b=2}]=trace",
        ] {
            assert_eq!(check_level(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn slips_are_told_with_what_was_meant() {
        for (bad, meant) in [
            ("verbose", "did you mean \"debug\"?"),
            ("inof,h2=warn", "did you mean \"info\"?"),
            ("info,h2=wran", "did you mean \"h2=warn\"?"),
            ("warning", "did you mean \"warn\"?"),
            ("Debgu", "did you mean \"debug\"?"),
            ("info,h2", "\"h2=trace\""),
            ("6", "expected a level"),
            ("info,", "expected a level"),
            ("", "expected a level"),
            ("h2=", "expected a level"),
            ("fanfre=debug", "did you mean \"fanfare\"?"),
            ("info,fanfar::shard=debug", "did you mean \"fanfar"),
        ] {
            let error = check_level(bad).expect_err(bad);
            assert!(error.contains(meant), "{bad}: {error}");
        }
    }
}
