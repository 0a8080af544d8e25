//! What must hold of a configuration and of the units that it is written in.
use std::ffi::OsString;
use std::fmt::{Debug, Display};
use std::path::PathBuf;
use std::str::FromStr;

use super::{ByteSize, File, Flags, Host, Span, resolve};
use crate::upstream::Origin;

/// A file, and behind a zero byte variables, one a line. True if it is sound.
pub(crate) fn config(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let (text, variables) = text.split_once('\0').unwrap_or((text, ""));
    // A file that is named is opened, whatever it is; another test does that.
    let named = ["_file", "tls_", "client_"];
    let whole = [text, variables].join("\n").to_lowercase();
    if named.iter().any(|it| whole.contains(it)) {
        return false;
    }
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables: Vec<(OsString, OsString)> = variables
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    match resolve(Some(&file(text)), variables, &Flags::default()) {
        Ok(resolved) => {
            let shown = resolved.to_toml();
            let again = resolve(Some(&file(&shown)), [], &Flags::default());
            let again = again.map(|it| it.config);
            assert_eq!(again.as_ref(), Ok(&resolved.config), "{shown}");
            true
        }
        Err(faults) => {
            let told = faults.to_string();
            assert!(!told.is_empty());
            let stray = |it: char| it.is_control() && it != '\n';
            assert!(!told.contains(stray), "{told:?}");
            false
        }
    }
}

fn file(text: &str) -> File {
    File {
        path: PathBuf::from("config.toml"),
        text: text.to_owned(),
    }
}

/// A text that may be a size, a span, an origin or a host. True if it is one of them.
pub(crate) fn units(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    [
        reads_back::<ByteSize>(text),
        reads_back::<Span>(text),
        reads_back::<Origin>(text),
        reads_back::<Host>(text),
    ]
    .contains(&true)
}

fn reads_back<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else {
        return false;
    };
    let shown = value.to_string();
    let again = shown.parse::<T>().ok();
    assert_eq!(again, Some(value), "{text:?} is shown as {shown:?}");
    true
}
