//! `holdline check`: is the configuration sound, and what is in force?
use std::io::{self, Write};

use super::{Exit, Source};
use crate::config::{Faults, Resolved};

/// What stands above the configuration in force.
const HEADING: &str = "\
# In force. A key without a place has its default. SIGHUP puts a changed file in force but for the
# keys marked \"restart\".";

/// Reads the configuration and tells what is in force, or every fault. It binds nothing and
/// contacts nobody.
pub fn run(source: &Source, out: &mut impl Write, complaints: &mut impl Write) -> io::Result<Exit> {
    tell(&source.read(), out, complaints)
}

fn tell(
    read: &Result<Resolved, Faults>,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    match read {
        Ok(resolved) => {
            writeln!(out, "{HEADING}\n{}", resolved.to_toml().trim_end())?;
            for warning in &resolved.warnings {
                writeln!(complaints, "warning: {warning}")?;
            }
            Ok(Exit::Success)
        }
        Err(faults) => {
            write!(complaints, "holdline: {faults}")?;
            Ok(Exit::Config)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::config::{File, Flags, resolve};

    use super::*;

    fn told(text: &str) -> (Exit, String, String) {
        let file = File {
            path: PathBuf::from("holdline.toml"),
            text: text.to_owned(),
        };
        let environment = [("HOLDLINE_HOLD__TIMEOUT".into(), "24s".into())];
        let flags = Flags {
            listen: Some("0.0.0.0:8080".to_owned()),
            ..Flags::default()
        };
        let read = resolve(Some(&file), environment, &flags);
        let (mut out, mut complaints) = (Vec::new(), Vec::new());
        let exit = tell(&read, &mut out, &mut complaints).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (exit, text(out), text(complaints))
    }

    #[test]
    fn a_sound_configuration_is_shown_with_the_places_it_comes_from() {
        let (exit, out, complaints) = told(
            "[[gateway]]\nname = \"bepaid\"\n[submit]\nresubmits = 1\n[drain]\ntimeout = \"10s\"\n",
        );
        assert_eq!(exit, Exit::Success);
        insta::assert_snapshot!(format!("{out}---\n{complaints}"));
    }

    #[test]
    fn a_faulty_one_is_told_and_nothing_is_said_to_be_in_force() {
        let (exit, out, complaints) = told("[[gateway]]\nname = \"bepaid\"\n[holdd]\n");
        assert_eq!(exit, Exit::Config);
        assert_eq!(out, "");
        insta::assert_snapshot!(complaints);
    }
}
