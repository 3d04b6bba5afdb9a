//! The signature files that are part of the program.

use super::{Catalog, CatalogError};

/// Name and text of every built-in signature file.
const FILES: &[(&str, &str)] = &[
    ("keys.yaml", include_str!("../../signatures/keys.yaml")),
    ("code.yaml", include_str!("../../signatures/code.yaml")),
    ("ai.yaml", include_str!("../../signatures/ai.yaml")),
    ("cloud.yaml", include_str!("../../signatures/cloud.yaml")),
    ("money.yaml", include_str!("../../signatures/money.yaml")),
    (
        "messaging.yaml",
        include_str!("../../signatures/messaging.yaml"),
    ),
    ("data.yaml", include_str!("../../signatures/data.yaml")),
    (
        "pii-global.yaml",
        include_str!("../../signatures/pii-global.yaml"),
    ),
    (
        "pii-americas.yaml",
        include_str!("../../signatures/pii-americas.yaml"),
    ),
    (
        "pii-europe.yaml",
        include_str!("../../signatures/pii-europe.yaml"),
    ),
    (
        "generic.yaml",
        include_str!("../../signatures/generic.yaml"),
    ),
    (
        "pii-asia.yaml",
        include_str!("../../signatures/pii-asia.yaml"),
    ),
];

/// All of them as one catalog.
pub(super) fn read() -> Result<Catalog, Vec<CatalogError>> {
    let mut catalog = Catalog::default();
    for (file, text) in FILES {
        let signatures = Catalog::parse(file, text)?;
        catalog.extend(signatures).map_err(|error| vec![error])?;
    }
    catalog.built_in = catalog.signatures.len();
    Ok(catalog)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_valid() {
        let problems: Vec<String> = FILES
            .iter()
            .filter_map(|(file, text)| Catalog::parse(file, text).err())
            .flatten()
            .map(|error| error.to_string())
            .collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        read().unwrap();
    }
}
