//! A new policy while the old one works: on demand, and when a watched file changes.
//!
//! Nouns: [`Reloader`]. A file that cannot be used changes nothing but the logs and a counter. Folders
//! are watched, not files: editors replace a file by renaming, and Kubernetes swaps a symbolic link to a
//! folder beside it, which a watch on the file itself never sees.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Mutex, mpsc};

use crate::serve::Shared;
use crate::snapshot::{LoadError, Source};

/// Changes come in flocks; the flock is over after this long without one.
const SETTLED: Duration = Duration::from_millis(100);

/// Loads snapshots, one at a time.
pub(crate) struct Reloader {
    source: Source,
    shared: Arc<Shared>,
    generation: Mutex<u64>,
}

impl Reloader {
    /// Over the snapshot that is generation 1.
    pub(crate) fn new(source: Source, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            source,
            shared,
            generation: Mutex::new(1),
        })
    }

    /// Loads anew and swaps, or keeps the old and says why. Returns the generation in force.
    pub(crate) async fn reload(&self) -> Result<u64, LoadError> {
        let mut generation = self.generation.lock().await;
        let next = *generation + 1;
        let source = self.source.clone();
        let loaded = tokio::task::spawn_blocking(move || source.load(next)).await;
        let loaded = loaded.unwrap_or(Err(LoadError::Panicked));
        self.shared.metrics.reloaded(loaded.is_ok().then_some(next));
        match loaded {
            Ok(snapshot) => {
                self.shared.snapshots.store(Arc::new(snapshot));
                *generation = next;
                tracing::info!(generation = next, "policy reloaded");
                Ok(next)
            }
            Err(error) => {
                tracing::error!(in_force = *generation, %error, "policy not reloaded");
                Err(error)
            }
        }
    }

    /// Reloads whenever one of the source's files changes. The watch ends with the returned watcher.
    pub(crate) fn watch(self: &Arc<Self>) -> notify::Result<RecommendedWatcher> {
        let (changed, changes) = mpsc::channel(1);
        let files = self.source.files();
        let watched = Watched::new(&files);
        let folders = watched.folders.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<_>| {
            if event.map_or(true, |event| watched.concerns(&event)) {
                // Full: a reload is due already.
                let _ = changed.try_send(());
            }
        })?;
        for folder in &folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        tokio::spawn(follow(Arc::clone(self), changes, files));
        Ok(watcher)
    }
}

/// Reloads after each flock of changes that changed what the files say.
async fn follow(reloader: Arc<Reloader>, mut changes: mpsc::Receiver<()>, files: Vec<PathBuf>) {
    let mut known = contents(&files).await;
    while changes.recv().await.is_some() {
        while tokio::time::timeout(SETTLED, changes.recv())
            .await
            .is_ok_and(|more| more.is_some())
        {}
        let now = contents(&files).await;
        if now != known {
            known = now;
            // Said and counted where it happens.
            let _ = reloader.reload().await;
        }
    }
}

async fn contents(files: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    let mut contents = Vec::with_capacity(files.len());
    for file in files {
        contents.push(tokio::fs::read(file).await.ok());
    }
    contents
}

/// Which events are worth a look.
struct Watched {
    folders: BTreeSet<PathBuf>,
    names: BTreeSet<OsString>,
}

impl Watched {
    fn new(files: &[PathBuf]) -> Self {
        let folder = |file: &PathBuf| match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let mut names: BTreeSet<_> = files
            .iter()
            .filter_map(|file| file.file_name().map(OsString::from))
            .collect();
        names.insert(KUBERNETES_DATA.into());
        Self {
            folders: files.iter().map(folder).collect(),
            names,
        }
    }

    fn concerns(&self, event: &notify::Event) -> bool {
        let changes = !matches!(event.kind, EventKind::Access(_));
        let named =
            |path: &PathBuf| Path::file_name(path).is_some_and(|name| self.names.contains(name));
        changes && (event.paths.is_empty() || event.paths.iter().any(named))
    }
}

/// The link in a mounted ConfigMap or Secret that is swapped when it changes.
const KUBERNETES_DATA: &str = "..data";
