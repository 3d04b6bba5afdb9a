//! The catalog as a page for people: `docs/signatures.md` is made by this and by nothing else.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Catalog, Glue, Shape, Signature};
use crate::Class;

impl Catalog {
    /// A Markdown page that lists every signature by class.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut page = String::from(HEAD);
        for (class, title) in [
            (Class::Secret, "Credentials"),
            (Class::Pii, "Personal data"),
            (Class::Generic, "Generic"),
        ] {
            let of_class = self
                .signatures
                .iter()
                .filter(|signature| signature.class == class);
            let rows: Vec<&Arc<Signature>> = of_class.collect();
            // Writing to a string does not fail.
            let _ = write!(page, "\n## {title} ({})\n\n{TABLE}", rows.len());
            for signature in rows {
                page.push_str(&row(signature));
            }
        }
        page
    }
}

const HEAD: &str = "# Signatures

Made from `scanners/signatures/*.yaml` by its test; do not edit.

A match that fails a *check* is no finding; a check marked `~` is inferred, and a match that fails it
is a finding of low severity. *Needs* are words of which one must stand shortly before the value
(in brackets: only where it is written without separators). *Glued* says where a letter or digit may touch it:
on both sides or on one, by the odds that chance makes such a value (see scanner.md); else on none. *Home* is where
sending it is its use.
";

const TABLE: &str =
    "| id | name | severity | check | glued | needs | home |\n|---|---|---|---|---|---|---|\n";

fn row(signature: &Signature) -> String {
    let check = signature.check.map_or(String::new(), |check| {
        let mark = if check.is_documented() { "" } else { "~" };
        format!("{mark}{}", check.name())
    });
    let shape = match signature.shape {
        Shape::Email | Shape::UserInfo | Shape::PrivateKey if check.is_empty() => "structure",
        _ => &check,
    };
    let glued = match signature.glue {
        Glue::Apart => "",
        Glue::OneSide => "one side",
        Glue::BothSides => "both sides",
    };
    format!(
        "| `{}` | {} | {} | {shape} | {glued} | {} | {} |\n",
        signature.id,
        signature.name,
        signature.severity,
        needs(signature),
        home(signature),
    )
}

fn needs(signature: &Signature) -> String {
    let Some(context) = &signature.context else {
        return String::new();
    };
    let words: Vec<&str> = context.keywords.iter().take(4).map(AsRef::as_ref).collect();
    let more = if context.keywords.len() > 4 {
        ", ..."
    } else {
        ""
    };
    let words = format!("{}{more}", words.join(", ")).replace('|', "\\|");
    if context.bare_only {
        format!("({words})")
    } else {
        words
    }
}

fn home(signature: &Signature) -> String {
    let home = &signature.home;
    let mut places: Vec<&str> = home.headers.iter().map(AsRef::as_ref).collect();
    places.extend(home.url.then_some("URL"));
    places.extend(home.body.then_some("body"));
    let hosts = home.hosts.join(" ").replace('*', "\\*");
    match (hosts.is_empty(), places.is_empty()) {
        (true, _) => String::new(),
        (false, true) => hosts,
        (false, false) => format!("{hosts}: {}", places.join(", ")),
    }
}
