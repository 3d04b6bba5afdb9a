//! What the inner half has to build, as data: decided outside, before anything is entered.
//!
//! Paths are bytes on Unix and need not be UTF-8, whoever named them; [`bytes`] carries them through JSON intact.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything the inner half needs to know.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Whether to enter a user namespace: everybody but a capable root.
    pub(super) user_namespace: bool,
    /// The ports that the listeners inside take.
    pub(super) proxy_port: u16,
    pub(super) transparent_port: u16,
    pub(super) dns_port: u16,
    /// Folders to cover with an empty file system, where they exist.
    #[serde(with = "bytes::list")]
    pub(super) covered_folders: Vec<PathBuf>,
    /// Files (sockets, mostly) to cover with `/dev/null`, where they exist.
    #[serde(with = "bytes::list")]
    pub(super) covered_files: Vec<PathBuf>,
    /// Paths to keep although something that covers them is in the list.
    #[serde(with = "bytes::list")]
    pub(super) kept: Vec<PathBuf>,
    /// Files that the command may read but not change.
    #[serde(with = "bytes::list")]
    pub(super) read_only: Vec<PathBuf>,
    /// Our CA, PEM, for browsers to trust.
    #[serde(with = "bytes::one")]
    pub(super) authority: PathBuf,
    /// The user's home; empty if there is none.
    #[serde(with = "bytes::one")]
    pub(super) home: PathBuf,
    /// The command's working directory.
    #[serde(with = "bytes::one")]
    pub(super) working_directory: PathBuf,
}

/// Paths as JSON strings, one character a byte (Latin-1).
mod bytes {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    use std::path::{Path, PathBuf};

    fn encode(path: &Path) -> String {
        let bytes = path.as_os_str().as_bytes();
        bytes.iter().map(|byte| char::from(*byte)).collect()
    }

    fn decode<E: serde::de::Error>(text: &str) -> Result<PathBuf, E> {
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        bytes
            .map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
            .map_err(|_| E::custom("not a path"))
    }

    pub(super) mod one {
        use serde::{Deserialize as _, Deserializer, Serializer};
        use std::path::{Path, PathBuf};

        pub(in super::super) fn serialize<S: Serializer>(
            path: &Path,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&super::encode(path))
        }

        pub(in super::super) fn deserialize<'a, D: Deserializer<'a>>(
            deserializer: D,
        ) -> Result<PathBuf, D::Error> {
            super::decode(&String::deserialize(deserializer)?)
        }
    }

    pub(super) mod list {
        use serde::{Deserialize as _, Deserializer, Serializer};
        use std::path::PathBuf;

        pub(in super::super) fn serialize<S: Serializer>(
            paths: &[PathBuf],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(paths.iter().map(|path| super::encode(path)))
        }

        pub(in super::super) fn deserialize<'a, D: Deserializer<'a>>(
            deserializer: D,
        ) -> Result<Vec<PathBuf>, D::Error> {
            let texts = Vec::<String>::deserialize(deserializer)?;
            texts.iter().map(|text| super::decode(text)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::PathBuf;

    #[test]
    fn paths_that_are_not_utf8_survive() {
        let odd = PathBuf::from(OsString::from_vec(b"/tmp/\xff\n\"a\\ \xc3\xa9".to_vec()));
        let plan = Plan {
            covered_files: vec![odd.clone()],
            authority: odd.clone(),
            working_directory: odd,
            ..Plan::default()
        };
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
