//! A new policy while the old one works: on demand, and when a watched file changes.
//!
//! Nouns: [`Reloader`]. A file that cannot be used changes nothing but the logs and a counter. Folders
//! are watched, not files: editors replace a file by renaming, and Kubernetes swaps a symbolic link to a
//! folder beside it, which a watch on the file itself never sees.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use egret_audit::Reload;
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
        let digest = match &loaded {
            Ok(snapshot) => snapshot.policy.digest().to_owned(),
            Err(_) => self.shared.snapshots.load().policy.digest().to_owned(),
        };
        self.shared.ledger.reloaded(Reload {
            time: SystemTime::now(),
            generation: if loaded.is_ok() { next } else { *generation },
            digest,
            refused: loaded.as_ref().err().map(LoadError::class),
        });
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

    /// Reloads whenever one of the source's files changes, beginning with changes since `loaded`. The watch ends with
    /// the returned watcher.
    pub(crate) fn watch(self: &Arc<Self>, loaded: Contents) -> notify::Result<Watch> {
        let (changed, changes) = mpsc::channel(1);
        let files = self.source.files();
        let watched = Arc::new(std::sync::RwLock::new(Watched::default()));
        let seen = Arc::clone(&watched);
        let watcher = notify::recommended_watcher(move |event: notify::Result<_>| {
            let watched = seen.read().unwrap_or_else(PoisonError::into_inner);
            if event.map_or(true, |event| watched.concerns(&event)) {
                // Full: a reload is due already.
                let _ = changed.try_send(());
            }
        })?;
        let watch = Arc::new(std::sync::Mutex::new((watcher, watched)));
        extend(&watch, &files)?;
        let follower = Follower {
            reloader: Arc::clone(self),
            watch: Arc::downgrade(&watch),
            files,
        };
        tokio::spawn(follower.follow(changes, loaded));
        Ok(watch)
    }
}

/// The running watch; dropped, it ends.
pub(crate) type Watch =
    Arc<std::sync::Mutex<(RecommendedWatcher, Arc<std::sync::RwLock<Watched>>)>>;

/// Watches further files. Nothing is taken away: a folder too many costs a look.
fn extend(watch: &Watch, files: &[PathBuf]) -> notify::Result<()> {
    let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    let (watcher, watched) = &mut *watch;
    let new = Watched::new(files);
    let mut watched = watched.write().unwrap_or_else(PoisonError::into_inner);
    for folder in &new.folders {
        if !watched.folders.contains(folder) {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            watched.folders.insert(folder.clone());
        }
    }
    watched.names.extend(new.names);
    Ok(())
}

/// Reloads after each flock of changes that changed what the files say.
struct Follower {
    reloader: Arc<Reloader>,
    watch: Weak<std::sync::Mutex<(RecommendedWatcher, Arc<std::sync::RwLock<Watched>>)>>,
    files: Vec<PathBuf>,
}

impl Follower {
    async fn follow(mut self, mut changes: mpsc::Receiver<()>, loaded: Contents) {
        let mut known = loaded;
        loop {
            // First without being asked: what changed between the load and the watch, nobody tells.
            self.look_again();
            let files = self.files.clone();
            let now = tokio::task::spawn_blocking(move || contents(&files)).await;
            if let Ok(now) = now
                && now != known
            {
                known = now;
                // Said and counted where it happens.
                let _ = self.reloader.reload().await;
            }
            if changes.recv().await.is_none() {
                return;
            }
            while tokio::time::timeout(SETTLED, changes.recv())
                .await
                .is_ok_and(|more| more.is_some())
            {}
        }
    }

    /// A changed policy may name other rule files.
    fn look_again(&mut self) {
        self.files = self.reloader.source.files();
        if let Some(watch) = self.watch.upgrade()
            && let Err(error) = extend(&watch, &self.files)
        {
            tracing::warn!(%error, "a file that the policy names cannot be watched; SIGHUP reloads it");
        }
    }
}

/// What the watched files say, by file.
pub(crate) type Contents = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Reads all of `files`; one that cannot be read says nothing.
pub(crate) fn contents(files: &[PathBuf]) -> Contents {
    let read = |file: &PathBuf| (file.clone(), std::fs::read(file).ok());
    files.iter().map(read).collect()
}

/// Which events are worth a look.
#[derive(Debug, Default)]
pub(crate) struct Watched {
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
