//! Names that are no setting, and the settings that were probably meant.

use clap::{Args, Command};

use super::settings::Settings;

/// What stands before a setting's name in the environment.
const PREFIX: &str = "SHELFMQ_";

/// The variables of this project's own tests and scripts.
const OTHERS: [&str; 4] = ["SHELFMQ_SEED", "SHELFMQ_SOAK", "SHELFMQ_OPS", "SHELFMQ_CACHE"];

/// The names of all settings, as in the file.
pub(crate) fn names() -> Vec<String> {
    let command = Settings::augment_args(Command::new("shelfmq"));
    command.get_arguments().map(|arg| arg.get_id().to_string()).collect()
}

/// The variable that gives a setting.
pub(crate) fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_uppercase())
}

/// A complaint about each variable that looks like a setting and is none.
pub(crate) fn strays(environment: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let known: Vec<_> = names().iter().map(|name| variable(name)).collect();
    let mut strays: Vec<_> = environment
        .filter(|(name, value)| name.starts_with(PREFIX) && !known.contains(name) && !is_of_others(name, value))
        .map(|(name, _)| no_setting(&name, &known))
        .collect();
    strays.sort();
    strays
}

/// Whether the project's tests or Kubernetes set it. Where a service is called shelfmq, Kubernetes gives containers
/// `SHELFMQ_SERVICE_HOST`, `SHELFMQ_PORT_4151_TCP_ADDR`, `SHELFMQ_PORT=tcp://10.0.0.1:4151` and the like.
fn is_of_others(name: &str, value: &str) -> bool {
    OTHERS.contains(&name) || name.contains("_SERVICE_") || name.contains("_PORT_") || value.contains("://")
}

/// Says that a name is none of those known, and which it resembles.
pub(crate) fn no_setting(name: &str, known: &[String]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("{name} is no setting: did you mean {meant}?"),
        None => format!("{name} is no setting"),
    }
}

/// The known name with the fewest slips between, if one letter in four or fewer is wrong.
fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    // What all variables begin with would make each resemble the other.
    let significant = name.strip_prefix(PREFIX).unwrap_or(name).len();
    let name = name.replace('-', "_");
    let slips = known.iter().map(|candidate| (strsim::osa_distance(&name, candidate), candidate));
    slips.filter(|(slips, _)| slips * 4 <= significant).min_by_key(|(slips, _)| *slips).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_named_with_what_was_meant() {
        let environment = [
            ("SHELFMQ_HTTP_ADRESS", ":1"),
            ("SHELFMQ_MAX_MSG_SIZES", "1"),
            ("SHELFMQ_TELEPORT", "1"),
            ("SHELFMQ_HTTP_ADDRESS", ":1"),
            ("SHELFMQ_CONFIG", "x"),
            ("PATH", "/bin"),
        ];
        let complaints = [
            "SHELFMQ_HTTP_ADRESS is no setting: did you mean SHELFMQ_HTTP_ADDRESS?",
            "SHELFMQ_MAX_MSG_SIZES is no setting: did you mean SHELFMQ_MAX_MSG_SIZE?",
            "SHELFMQ_TELEPORT is no setting",
        ];
        assert_eq!(strays(environment.map(|(name, value)| (name.into(), value.into())).into_iter()), complaints);
    }

    #[test]
    fn variables_of_tests_and_of_kubernetes_are_left_alone() {
        let environment = [
            ("SHELFMQ_SEED", "1"),
            ("SHELFMQ_SOAK", "1"),
            ("SHELFMQ_OPS", "1"),
            ("SHELFMQ_SERVICE_HOST", "10.0.0.1"),
            ("SHELFMQ_PORT", "tcp://10.0.0.1:4151"),
            ("SHELFMQ_PORT_4151_TCP_ADDR", "10.0.0.1"),
        ];
        assert!(strays(environment.map(|(name, value)| (name.into(), value.into())).into_iter()).is_empty());
    }
}
