//! Offline checks of a candidate's bytes: checksums, structure, issuer ranges.
//!
//! Each is a pure function of the matched bytes, separators included.

mod americas;
mod asia;
mod base58;
mod crc;
mod domain;
mod encoded;
mod europe;
mod generic;
mod marvin;
mod mend;
mod money;
mod numbers;
mod short;
mod sums;
mod things;
mod wallets;

use std::fmt;

pub(crate) use crc::encode_base32;
pub(crate) use generic::is_filled;
pub(crate) use sums::{Figures, Sums};

/// What a check says of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds: a finding with the signature's severity.
    Holds,
    /// It fails, and the check is documented: not a finding.
    Fails,
    /// It fails, but the check is only inferred: a finding of lower severity.
    Doubtful,
}

/// Tells of the first bytes of a text whether something may start there for which a check holds; yes, if they are
/// too few to tell.
pub(crate) type Probe = fn(&[u8]) -> bool;

/// A check: a name, as data files call it, and a pure function of the matched bytes.
#[derive(Clone, Copy)]
pub struct Check {
    name: &'static str,
    holds: fn(&[u8]) -> bool,
    failure: Verdict,
}

impl Check {
    /// The name data files call it by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether a match that fails is no finding at all.
    #[must_use]
    pub fn is_documented(&self) -> bool {
        self.failure == Verdict::Fails
    }

    /// By how many bits, at least, the check misses a value of the right shape that chance made: those of
    /// the checksum, or of what must stand in it when it is decoded.
    pub(crate) fn bits(&self) -> u32 {
        match self.name {
            "github-crc32" | "github-crc32-inferred" | "grafana-crc32" | "base58check" | "wif" => {
                32
            }
            // Two ways of writing what is covered are accepted.
            "atlassian-crc32" | "gitlab-crc32" => 31,
            "bech32" => 30,
            "nkey-crc16" => 16,
            // JSON with certain keys, or a text, each of their characters by chance.
            "jwt" | "grafana-cloud" | "grafana-key" | "sentry" => 40,
            "discord" | "bedrock" | "bedrock-short" | "jfrog" => 40,
            // Six digits and a colon.
            "digits-colon" => 32,
            _ => 0,
        }
    }

    /// How a number for which the check holds is grouped, if it is not written in one piece: the lengths
    /// of the groups, a hexadecimal digit each. `None` if the check does not say.
    pub(crate) fn layouts(&self) -> Option<&'static [u32]> {
        Some(match self.name {
            "card" | "test-card" => money::CARD_GROUPS,
            "ssn" | "itin" => &[0x324],
            "cpf" => &[0x3332, 0x92],
            "cnpj" => &[0x2_3342],
            "ch-ahv" => &[0x3442],
            "be-nrn" => &[0x2_2232, 0x632],
            "cz-sk-birth" | "dk-cpr" => &[0x64],
            "nhs" => &[0x334],
            "phone-nanp" => &[0x334, 0x1334, 0x37],
            "ein" => &[0x27],
            "sin" | "au-tfn" | "au-acn" => &[0x333],
            "cuit" => &[0x281],
            "imei" => &[0x2661, 0x6261, 0x861],
            "aadhaar" | "jp-my-number" => &[0x444],
            "my-card" => &[0x624],
            "au-abn" => &[0x2333],
            "card-bare" => &[],
            "th-citizen" => &[0x1_4521],
            "kr-rrn" => &[0x67],
            _ => return None,
        })
    }

    /// What the digits of a number add up to for which the check holds.
    pub(crate) fn sums(&self) -> Sums {
        Sums::of(self.name)
    }

    /// What asks less than the check and is asked first, before a pattern is.
    pub(crate) fn probe(&self) -> Option<Probe> {
        Some(match self.name {
            "mrz" => things::may_be_mrz,
            "bip39" => wallets::may_be_bip39,
            "iban" => money::may_be_iban,
            _ => return None,
        })
    }

    /// Whether it can be asked before it is known where a match ends: what it does not hold for with more of its kind
    /// behind it, it does not hold for without.
    pub(crate) fn bears_more(&self) -> bool {
        self.name == "bip39"
    }

    /// Rewrites a value of the right shape so that the check holds, where there is a way to.
    pub(crate) fn mend(&self, value: &mut Vec<u8>) {
        mend::mend(self.name, value);
    }

    /// What the check says of the bytes of a match.
    #[must_use]
    pub fn verdict(&self, value: &[u8]) -> Verdict {
        if (self.holds)(value) {
            Verdict::Holds
        } else {
            self.failure
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Check({})", self.name)
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Check) -> bool {
        self.name == other.name
    }
}

impl Eq for Check {}

/// The check with this name.
#[must_use]
pub fn by_name(name: &str) -> Option<Check> {
    CHECKS.iter().find(|check| check.name == name).copied()
}

/// Every check there is.
#[must_use]
pub fn all() -> &'static [Check] {
    CHECKS
}

const fn documented(name: &'static str, holds: fn(&[u8]) -> bool) -> Check {
    Check {
        name,
        holds,
        failure: Verdict::Fails,
    }
}

const fn inferred(name: &'static str, holds: fn(&[u8]) -> bool) -> Check {
    Check {
        name,
        holds,
        failure: Verdict::Doubtful,
    }
}

/// Luhn over whatever digits there are: for operators' own numbers.
fn luhn(value: &[u8]) -> bool {
    numbers::digits(value).is_some_and(|digits| digits.len() > 1 && numbers::luhn(&digits))
}

/// Name and function of every check. A documented one that fails rules a match out; an inferred
/// one lowers its severity.
const CHECKS: &[Check] = &[
    documented("atlassian-crc32", crc::atlassian),
    documented("grafana-crc32", crc::grafana),
    documented("github-crc32", crc::base62_tail),
    documented("nkey-crc16", crc::nkey),
    documented("jwt", encoded::jwt),
    documented("grafana-cloud", encoded::grafana_cloud),
    documented("grafana-key", encoded::grafana_key),
    documented("onepassword", encoded::onepassword),
    documented("sentry", encoded::sentry),
    documented("discord", encoded::discord),
    documented("jfrog", encoded::jfrog),
    documented("digits-colon", encoded::digits_colon),
    documented("bedrock", encoded::bedrock),
    documented("bedrock-short", encoded::bedrock_short),
    documented("aws-session", encoded::aws_session),
    documented("pypi", encoded::pypi),
    documented("basic", encoded::basic),
    documented("base58check", base58::base58check),
    documented("wif", base58::wif),
    documented("bitcoin-address", base58::bitcoin_address),
    documented("bech32", base58::bech32),
    documented("card", money::card),
    documented("card-bare", money::card_of_unusual_length),
    documented("test-card", money::test_card),
    documented("iban", money::iban),
    documented("aba", money::aba),
    documented("bic", money::bic),
    documented("eip55", wallets::eip55),
    documented("bip39", wallets::bip39),
    inferred("azure-marvin", marvin::azure_key),
    inferred("azure-common-marvin", marvin::azure_common_key),
    inferred("github-crc32-inferred", crc::base62_tail),
    inferred("gitlab-crc32", crc::gitlab),
    documented("ssn", americas::ssn),
    documented("itin", americas::itin),
    documented("ein", americas::ein),
    documented("npi", americas::npi),
    documented("mbi", americas::mbi),
    documented("dea", americas::dea),
    documented("sin", americas::sin),
    documented("cpf", americas::cpf),
    documented("cnpj", americas::cnpj),
    documented("curp", americas::curp),
    documented("rfc", americas::rfc),
    documented("cuit", americas::cuit),
    documented("rut", americas::rut),
    documented("nit", americas::nit),
    documented("nhs", europe::nhs),
    documented("nino", europe::nino),
    documented("utr", europe::utr),
    documented("uk-licence", europe::uk_licence),
    documented("de-tax-id", europe::de_tax_id),
    documented("de-pension", europe::de_pension),
    documented("de-document", europe::de_document),
    documented("at-svnr", europe::at_svnr),
    documented("ch-ahv", europe::ch_ahv),
    documented("fr-nir", europe::fr_nir),
    documented("es-nif", europe::es_nif),
    documented("it-fiscal", europe::it_fiscal),
    documented("pt-nif", europe::pt_nif),
    documented("nl-bsn", europe::nl_bsn),
    documented("be-nrn", europe::be_nrn),
    documented("pl-pesel", europe::pl_pesel),
    documented("pl-nip", europe::pl_nip),
    documented("pl-regon", europe::pl_regon),
    documented("se-personal", europe::se_personal),
    documented("fi-hetu", europe::fi_hetu),
    documented("no-fnr", europe::no_fnr),
    documented("dk-cpr", europe::dk_cpr),
    documented("ee-lt-code", europe::ee_lt_code),
    documented("cz-sk-birth", europe::cz_sk_birth),
    documented("ro-cnp", europe::ro_cnp),
    documented("bg-egn", europe::bg_egn),
    documented("hr-oib", europe::hr_oib),
    documented("si-emso", europe::si_emso),
    documented("gr-amka", europe::gr_amka),
    documented("ie-pps", europe::ie_pps),
    documented("tr-tckn", europe::tr_tckn),
    documented("aadhaar", asia::aadhaar),
    documented("pan", asia::pan),
    documented("gstin", asia::gstin),
    documented("cn-resident", asia::cn_resident),
    documented("jp-my-number", asia::jp_my_number),
    documented("kr-rrn", asia::kr_rrn),
    documented("sg-nric", asia::sg_nric),
    documented("th-citizen", asia::th_citizen),
    documented("id-nik", asia::id_nik),
    documented("my-card", asia::my_card),
    documented("za-id", asia::za_id),
    documented("au-tfn", asia::au_tfn),
    documented("au-abn", asia::au_abn),
    documented("au-acn", asia::au_acn),
    documented("au-medicare", asia::au_medicare),
    documented("nz-ird", asia::nz_ird),
    documented("il-id", asia::il_id),
    documented("email", domain::email),
    documented("generic-value", generic::value),
    documented("opaque", generic::opaque),
    documented("user-info", generic::user_info),
    documented("mrz", things::mrz),
    documented("vin", things::vin),
    documented("imei", things::imei),
    documented("iccid", things::iccid),
    documented("phone", things::phone),
    documented("phone-nanp", things::phone_nanp),
    documented("public-ipv4", things::public_ipv4),
    documented("public-ipv6", things::public_ipv6),
    documented("mac", things::mac),
    documented("birth-date", things::birth_date),
    documented("uuid", things::uuid),
    documented("luhn", luhn),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn layouts_are_those_of_the_examples() {
        let signatures = crate::Catalog::builtin();
        let mut seen = 0;
        for signature in signatures.signatures() {
            let layouts = signature.check.and_then(|check| check.layouts());
            let crate::Shape::Token { .. } = &signature.shape else {
                continue;
            };
            let mut maker = crate::ExampleMaker::new(7);
            for _ in 0..40 {
                let (Some(layouts), Some(example)) = (layouts, maker.value(signature)) else {
                    continue;
                };
                let check = signature.check.unwrap();
                let grouped = example.iter().any(|byte| !byte.is_ascii_alphanumeric());
                if grouped && check.verdict(&example) == Verdict::Holds {
                    let layout = numbers::grouping(&example).unwrap();
                    assert!(layouts.contains(&layout), "{} {layout:x}", signature.id);
                    seen += 1;
                }
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn no_probe_rules_out_what_holds() {
        let signatures = crate::Catalog::builtin();
        let mut maker = crate::ExampleMaker::new(11);
        let mut seen = 0;
        for signature in signatures.signatures() {
            let check = signature.check.filter(|check| check.probe().is_some());
            let Some((check, probe)) = check.and_then(|check| Some((check, check.probe()?))) else {
                continue;
            };
            for _ in 0..200 {
                let value = maker.value(signature).unwrap();
                assert_eq!(check.verdict(&value), Verdict::Holds);
                let text = [value.as_slice(), b" 12 AND so on"].concat();
                for cut in 0..text.len() {
                    assert!(probe(&text[..cut]), "{} {cut}", signature.id);
                }
                seen += 1;
            }
        }
        assert!(seen >= 800, "{seen}");
    }

    proptest! {
        /// A number that is grouped in any other way fails.
        #[test]
        fn no_other_layout_holds(groups in proptest::collection::vec("[0-9]{1,8}", 2..7), separator in "[ ./-]") {
            let value = groups.join(&separator);
            let layout = groups.iter().fold(0, |layout, group| layout << 4 | group.len() as u32);
            for check in all() {
                if let Some(layouts) = check.layouts() {
                    let digits = groups.iter().map(String::len).sum::<usize>();
                    let mut mended = value.clone().into_bytes();
                    check.mend(&mut mended);
                    for value in [value.as_bytes(), &mended] {
                        if check.verdict(value) != Verdict::Fails && numbers::grouping(value) == Some(layout) {
                            prop_assert!(layouts.contains(&layout), "{} {digits}", check.name());
                        }
                    }
                }
            }
        }
    }
}
