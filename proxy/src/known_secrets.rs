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
    #[error("`known_secrets.env` names `{0}`, which is not set or empty")]
    Variable(String),
    /// A file that cannot be read.
    #[error("`known_secrets` names `{path}`, which cannot be read: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file without a value in it.
    #[error("`known_secrets` names `{path}`, which holds no value", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line of the `.env` file that is no assignment.
    #[error("`{path}` line {line} is not NAME=value", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

/// Reads every source anew.
pub(crate) fn read(sources: &KnownSecretSources) -> Result<Vec<Known>, KnownSecretError> {
    let mut known = Vec::new();
    for name in &sources.env {
        known.push(variable(name)?);
    }
    for path in &sources.files {
        known.push(file(path)?);
    }
    if let Some(path) = &sources.env_file {
        known.extend(assignments(path, &text(path)?)?);
    }
    Ok(known)
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
    let value = bytes(path)?.trim_ascii().to_vec();
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
    std::fs::read_to_string(path).map_err(|source| KnownSecretError::File {
        path: path.into(),
        source,
    })
}

/// `NAME=value` a line, as in every `.env`: comments, `export`, and quotes around the value.
fn assignments(path: &Path, text: &str) -> Result<Vec<Known>, KnownSecretError> {
    let mut known = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| KnownSecretError::Line {
            path: path.into(),
            line: index + 1,
        })?;
        let value = unquoted(value.trim());
        if !value.is_empty() {
            known.push(Known {
                name: name.trim().into(),
                value: value.as_bytes().to_vec(),
            });
        }
    }
    Ok(known)
}

fn unquoted(value: &str) -> &str {
    let inside = |quote| {
        value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
    };
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{KnownSecretError, assignments};
    use std::path::Path;

    #[test]
    fn an_env_file_is_read_as_shells_read_it() {
        let text = "# c\n\nexport A=one\nB = \"two words\"\nC='x'\nD=\n";
        let known = assignments(Path::new(".env"), text).unwrap();
        let pairs: Vec<_> = known
            .iter()
            .map(|known| (known.name.as_str(), known.value.as_slice()))
            .collect();
        assert_eq!(
            pairs,
            [("A", &b"one"[..]), ("B", b"two words"), ("C", b"x")]
        );
        let broken = assignments(Path::new(".env"), "A=1\nnonsense\n");
        assert!(matches!(
            broken,
            Err(KnownSecretError::Line { line: 2, .. })
        ));
    }
}
