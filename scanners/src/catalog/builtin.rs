//! The signature files that are part of the program.

use super::{Catalog, CatalogError};

/// Name and text of every built-in signature file.
const FILES: &[(&str, &str)] = &[("keys.yaml", include_str!("../../signatures/keys.yaml"))];

/// All of them as one catalog.
pub(super) fn read() -> Result<Catalog, Vec<CatalogError>> {
    let mut catalog = Catalog::default();
    for (file, text) in FILES {
        let signatures = Catalog::parse(file, text)?;
        catalog.extend(signatures).map_err(|error| vec![error])?;
    }
    Ok(catalog)
}
