//! The keys that wait for a restart.

/// The keys whose new value is in force after a restart only: what an exchange is known by, what is
/// bound or opened at the start, and how what is on disk or in memory is laid out.
const AFTER_RESTART: [&str; 15] = [
    "gateway.name",
    "gateway.listen",
    "gateway.host",
    "gateway.upstream",
    "gateway.upstream_address",
    "gateway.insecure",
    "coalesce.key_field",
    "cache.retention",
    "cache.max_bytes",
    "journal.in_memory",
    "journal.path",
    "journal.max_bytes",
    "admin.listen",
    "control.socket",
    "log.format",
];

/// True if a reload does not change this key, which is written as `section.key`.
pub fn needs_restart(key: &str) -> bool {
    // A gateway among several is `gateway[1].name`.
    let plain = match (key.find('['), key.find(']')) {
        (Some(from), Some(to)) if from < to => {
            let (before, after) = (key.get(..from), key.get(to + 1..));
            [before.unwrap_or_default(), after.unwrap_or_default()].concat()
        }
        _ => key.to_owned(),
    };
    AFTER_RESTART.contains(&plain.as_str())
}

/// What is to be known of a key that waits for a restart, though commands that read the same file go by it
/// at once.
pub fn read_already(key: &str) -> Option<&'static str> {
    match key {
        "journal.path" | "journal.in_memory" | "control.socket" => Some(
            "commands that read this file, like holdline journal, look at the new place already",
        ),
        "admin.listen" => {
            Some("holdline healthcheck, where it reads this file, asks there already")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::resolve::known_keys;
    use super::*;

    const EXAMPLE: &str = include_str!("../../config.toml.example");

    /// True for what a gateway shows and trusts.
    fn is_of_certificates(key: &str) -> bool {
        let key = key.trim_start_matches("gateway.");
        let begins = ["tls_", "client_"].iter().any(|it| key.starts_with(it));
        begins || ["ca_file", "server_name"].contains(&key)
    }

    #[test]
    fn the_example_says_which_keys_need_a_restart() {
        let example = EXAMPLE.replace("\n# ", " ");
        let told = example.split("which need a restart: ").nth(1).unwrap();
        let told = told.split_once("A file").unwrap().0;
        for key in known_keys() {
            let (section, _) = key.split_once('.').unwrap();
            let told = match section {
                "gateway" => !is_of_certificates(&key),
                _ => told.contains(&format!("[{section}]")) || told.contains(&key),
            };
            assert_eq!(told, needs_restart(&key), "{key}");
        }
        assert!(told.starts_with("every key of a gateway except those of its certificates"));
    }
}
