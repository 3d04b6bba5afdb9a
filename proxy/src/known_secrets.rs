//! Where the values that must never leave are read: variables, files, a `.env` file.
//!
//! Deliberately only reading: how a value is looked for in all its encodings is the scanner's. No value
//! is kept here, and none appears in an error.

use std::path::{Path, PathBuf};

use crate::config::KnownSecretSources;

/// One value with the name it is reported under.
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// A source that is named and not there, or that holds nothing.
#[derive(Debug, thiserror::Error)]
pub enum KnownSecretError {
    /// A variable that is not set, or empty.
    #[error(
        "`known_secrets.env` names `{0}`, which is not set or empty: set it where egret starts, or take it out of the \
         list"
    )]
    Variable(String),
    /// A file that cannot be read.
    #[error(
        "`known_secrets` names `{path}`, which cannot be read: {source}: correct the path, or let egret read it",
        path = path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file without a value in it.
    #[error(
        "`known_secrets` names `{path}`, which holds no value: write one into it, or take it out of the list",
        path = path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line of the `.env` file that is no assignment.
    #[error(
        "`{path}` line {line} is not NAME=value: correct it, or make it a comment with `#`",
        path = path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// A quote in the `.env` file that nothing closes.
    #[error(
        "`{path}` line {line} opens a quote that is not closed: close it, or leave it out",
        path = path.display()
    )]
    Quote {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

/// Every source that is wrong, in the order of the configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct KnownSecretErrors(pub Vec<KnownSecretError>);

/// Reads every source anew.
pub(crate) fn read(sources: &KnownSecretSources) -> Result<Vec<Known>, KnownSecretErrors> {
    let mut known = Vec::new();
    let mut errors = Vec::new();
    let variables = sources.env.iter().map(|name| variable(name));
    let files = sources.files.iter().map(|path| file(path));
    for one in variables.chain(files) {
        match one {
            Ok(one) => known.push(one),
            Err(error) => errors.push(error),
        }
    }
    if let Some(path) = &sources.env_file {
        match text(path) {
            Ok(text) => known.extend(assignments(path, &text, &mut errors)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(known)
    } else {
        Err(KnownSecretErrors(errors))
    }
}

fn variable(name: &str) -> Result<Known, KnownSecretError> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| KnownSecretError::Variable(name.into()))?;
    Ok(Known {
        name: name.into(),
        value: value.into_encoded_bytes(),
    })
}

/// The whole file is one secret, without the white space around it.
fn file(path: &Path) -> Result<Known, KnownSecretError> {
    let value = in_utf8(bytes(path)?).trim_ascii().to_vec();
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    match name {
        Some(name) if !value.is_empty() => Ok(Known { name, value }),
        _ => Err(KnownSecretError::Empty { path: path.into() }),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, KnownSecretError> {
    std::fs::read(path).map_err(|source| KnownSecretError::File {
        path: path.into(),
        source,
    })
}

fn text(path: &Path) -> Result<String, KnownSecretError> {
    String::from_utf8(in_utf8(bytes(path)?)).map_err(|error| KnownSecretError::File {
        path: path.into(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()),
    })
}

/// Without the byte order mark that editors of Windows write, and from the UTF-16 that its shells do: a
/// value is sent without either.
fn in_utf8(bytes: Vec<u8>) -> Vec<u8> {
    let units = |rest: &[u8], unit: fn([u8; 2]) -> u16| -> Option<Vec<u8>> {
        let (pairs, odd) = rest.as_chunks();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        let text = String::from_utf16(&units).ok()?;
        odd.is_empty().then(|| text.into_bytes())
    };
    let decoded = match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, rest @ ..] => Some(rest.to_vec()),
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        _ => None,
    };
    decoded.unwrap_or(bytes)
}

/// `NAME=value` a line, as in every `.env`: comments, `export`, and quotes around the value, which may
/// then go on over several lines.
fn assignments(path: &Path, text: &str, errors: &mut Vec<KnownSecretError>) -> Vec<Known> {
    let mut known = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = 1 + text
            .len()
            .checked_sub(rest.len())
            .and_then(|read| text.get(..read))
            .map_or(0, breaks);
        let (first, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        let first = first.trim();
        if first.is_empty() || first.starts_with('#') {
            rest = behind;
            continue;
        }
        let path = || path.to_owned();
        rest = match assignment(rest) {
            Assignment::Of(name, values, after) => {
                let values = values.into_iter().filter(|value| !value.is_empty());
                known.extend(values.map(|value| Known {
                    name: name.to_owned(),
                    value: value.into_bytes(),
                }));
                after
            }
            Assignment::None => {
                errors.push(KnownSecretError::Line { path: path(), line });
                behind
            }
            Assignment::Unclosed => {
                errors.push(KnownSecretError::Quote { path: path(), line });
                behind
            }
        };
    }
    known
}

fn breaks(text: &str) -> usize {
    text.matches('\n').count()
}

/// What a line of a `.env` file is.
enum Assignment<'a> {
    /// A name, its value in every reading that programs have of it, and what follows.
    Of(&'a str, Vec<String>, &'a str),
    None,
    /// A quote is opened and never closed.
    Unclosed,
}

fn assignment(text: &str) -> Assignment<'_> {
    let first = text.lines().next().unwrap_or_default();
    let (Some((name, _)), Some((_, value))) = (first.split_once('='), text.split_once('=')) else {
        return Assignment::None;
    };
    let name = name.trim();
    let exported = name
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']));
    let name = exported.unwrap_or(name).trim();
    if name.is_empty()
        || name.contains(|letter: char| letter.is_whitespace() || "\"'`#".contains(letter))
    {
        return Assignment::None;
    }
    let value = value.trim_start_matches([' ', '\t']);
    let (value, after) = match value.strip_prefix(['"', '\'']) {
        Some(inside) => {
            let quote = if value.starts_with('"') { '"' } else { '\'' };
            let Some(end) = closing(inside, quote) else {
                return Assignment::Unclosed;
            };
            let (value, after) = (inside.get(..end), inside.get(end + 1..));
            (value.unwrap_or_default(), after.unwrap_or_default())
        }
        None => {
            let line = value.split('\n').next().unwrap_or_default();
            let after = value.get(line.len()..).unwrap_or_default();
            let comment = line
                .find(" #")
                .or_else(|| line.find("\t#"))
                .unwrap_or(line.len());
            let comment = if line.starts_with('#') { 0 } else { comment };
            (line.get(..comment).unwrap_or_default().trim(), after)
        }
    };
    let (left, after) = after.split_once('\n').unwrap_or((after, ""));
    let left = left.trim();
    if !left.is_empty() && !left.starts_with('#') && !value.is_empty() {
        return Assignment::None;
    }
    Assignment::Of(name, readings(value), after)
}

/// Where a quoted value ends; a backslash takes a double quote its meaning.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let closes = letter == quote && !escaped;
        escaped = quote == '"' && letter == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// The value as it is written, and as it is where backslashes have a meaning: programs differ.
fn readings(value: &str) -> Vec<String> {
    let mut readings = vec![value.to_owned()];
    if value.contains('\\') {
        let meanings = [
            ("\\n", "\n"),
            ("\\r", "\r"),
            ("\\t", "\t"),
            ("\\\"", "\""),
            ("\\$", "$"),
            ("\\\\", "\\"),
        ];
        let mut read = String::new();
        let mut rest = value;
        while let Some(letter) = rest.chars().next() {
            let meaning = meanings.iter().find(|(escape, _)| rest.starts_with(escape));
            let (taken, given) = match meaning {
                Some((escape, meaning)) => (escape.len(), (*meaning).to_owned()),
                None => (letter.len_utf8(), letter.to_string()),
            };
            read.push_str(&given);
            rest = rest.get(taken..).unwrap_or_default();
        }
        if read != value {
            readings.push(read);
        }
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::{KnownSecretErrors, assignments, file, in_utf8, read};
    use crate::config::KnownSecretSources;
    use std::path::Path;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let mut errors = Vec::new();
        let known = assignments(Path::new(".env"), text, &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        let text = |value| String::from_utf8(value).unwrap();
        known
            .into_iter()
            .map(|known| (known.name, text(known.value)))
            .collect()
    }

    fn one(text: &str) -> String {
        let pairs = pairs(text);
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        pairs.into_iter().next().unwrap().1
    }

    #[test]
    fn an_env_file_is_read_as_shells_read_it() {
        let known = pairs("# c\n\nexport A=one\nB = \"two words\"\r\nC='x'\nD=\nE=\"\"\n  F=last");
        let known: Vec<_> = known
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            known,
            [("A", "one"), ("B", "two words"), ("C", "x"), ("F", "last")]
        );
    }

    #[test]
    fn comments_behind_a_value_are_no_part_of_it() {
        assert_eq!(one("A=\"a # b\"  # c\n"), "a # b");
        assert_eq!(one("A=value\t# c\r\n"), "value");
        assert_eq!(one("A=value#1 # c"), "value#1");
        assert_eq!(one("export\tA='it # is' # c"), "it # is");
        assert!(pairs("A= # c\n").is_empty());
    }

    #[test]
    fn a_quoted_value_goes_on_over_lines_and_escapes_have_both_readings() {
        assert_eq!(one("A=\"one\ntwo=3\"\n# c\n"), "one\ntwo=3");
        assert_eq!(one("A='it\\'\n").len(), 3);
        let known = pairs(r#"A="say \"x\"\n\\n""#);
        let values: Vec<_> = known.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, [r#"say \"x\"\n\\n"#, "say \"x\"\n\\n"]);
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("empty"), " \r\n").unwrap();
        std::fs::write(path("env"), "A=1\nnonsense\nB C=2\nD=\"a\nb\"x\nE='open\n").unwrap();
        let sources = KnownSecretSources {
            env: vec!["EGRET_TEST_NOT_SET".to_owned()],
            files: vec![path("empty"), path("none")],
            env_file: Some(path("env")),
        };
        let Err(KnownSecretErrors(errors)) = read(&sources).map(|known| known.len()) else {
            panic!("the sources are wrong");
        };
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let parts = [
            "`EGRET_TEST_NOT_SET`, which is not set or empty: set it",
            "empty`, which holds no value: write one",
            "none`, which cannot be read",
            "env` line 2 is not NAME=value: correct it",
            "env` line 3 is not NAME=value",
            "env` line 4 is not NAME=value",
            "env` line 5 is not NAME=value",
            "env` line 6 opens a quote that is not closed: close it",
        ];
        assert_eq!(errors.len(), parts.len(), "{errors:#?}");
        for (error, part) in errors.iter().zip(parts) {
            assert!(error.contains(part), "{error}: {part}");
        }
    }

    #[test]
    fn marks_and_utf_16_of_editors_are_no_part_of_a_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let utf_16: Vec<u8> = "\u{feff}käy-1\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for bytes in [
            b"\xef\xbb\xbfk\xc3\xa4y-1\r\n".to_vec(),
            utf_16,
            "käy-1".into(),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(file(&path).unwrap().value, "käy-1".as_bytes());
        }
        // Bytes that merely start like a mark are the value.
        for bytes in [
            vec![0xff, 0xfe, 0x00, 0xd8],
            vec![0xfe, 0xff, 1],
            vec![0, 159, 146],
        ] {
            assert_eq!(in_utf8(bytes.clone()), bytes);
        }
    }
}
