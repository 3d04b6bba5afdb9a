//! The page that is made from the catalog is up to date.

use egret_scanners::Catalog;

#[test]
fn the_list_of_signatures_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/signatures.md");
    let page = Catalog::builtin().to_markdown();
    if std::env::var_os("EGRET_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap();
    assert!(
        there == page,
        "docs/signatures.md is out of date: EGRET_WRITE_DOCS=1 cargo test -p egret-scanners --test docs"
    );
}
