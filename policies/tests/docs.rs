//! Every policy that the documentation shows is one that Egret takes, and what it lists is what there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use egret_policies::{KnownIds, Policy, Surroundings};
use egret_scanners::{Catalog, checks};

const RULES: &str = "[[rules]]\nid = \"a\"\nregex = '''labkey_[0-9a-f]{32}'''\n";

#[test]
fn every_policy_in_the_documentation_is_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.push(root.join("README.md"));
    let mut seen = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in yaml_blocks(&text).filter(|block| block.starts_with("version: 1")) {
            seen += 1;
            let beside = Surroundings {
                catalog: Catalog::builtin(),
                known: KnownIds::Unread,
                read: &|_| Ok(RULES.to_owned()),
            };
            let loaded = Policy::load(&block, &page.display().to_string(), 1, beside);
            let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:#?}\nin\n{block}"));
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        }
    }
    assert!(
        seen >= 2,
        "only {seen} policies were found in the documentation"
    );
}

#[test]
fn every_check_is_listed_and_every_listed_check_is_there() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("\n### Checks\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let listed: BTreeSet<&str> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .collect();
    let there: BTreeSet<&str> = checks::all().iter().map(checks::Check::name).collect();
    assert_eq!(listed, there);
}

fn yaml_blocks(text: &str) -> impl Iterator<Item = String> + '_ {
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix("yaml\n").map(|body| format!("{body}\n")))
}
