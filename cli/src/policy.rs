//! `egret policy`: is the file right, and what would it say.

use crate::args::Options;
use crate::config::{self, Depth};
use crate::failures::read_text;
use crate::mistakes;
use crate::terminal::{Paint, Stream, note, paint, print};
use anyhow::Context as _;
use egret_policies::{
    ClientAddr, Disposition, Facts, Finding, Flow, FlowId, Host, KnownIds, Loaded, Part, Place,
    Policy, RequestHead, Side, Verdict, VerdictAction, Version, Via,
};
use egret_proxy::LoadError;
use egret_scanners::{Carrier, FingerprintKey, KnownSecrets, MaskSet, Scanner, SessionOptions};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Check a policy file, or ask what it would decide
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check a policy file. Exit 0: it is right. 1: every mistake, with file:line:column
    Check {
        /// The policy file.
        file: PathBuf,
    },
    Explain(Explain),
}

/// Say what the policy would decide about one request, and why; nothing is sent
///
/// URL, headers and body are scanned with the real scanner. Names are not resolved: give --address to judge the
/// address that would be dialled.
#[derive(Debug, clap::Args)]
struct Explain {
    /// The policy file.
    file: PathBuf,
    /// The method.
    #[arg(long, default_value = "GET", value_parser = method)]
    method: String,
    /// The whole URL, like https://api.example.com/v1/chat.
    #[arg(long)]
    url: String,
    /// A header, like `--header 'authorization: Bearer x'` (repeatable).
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// A file with the body, `-` for standard input.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The address that would be dialled.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
}

/// Methods are what they are written (RFC 9110, section 9.1), but nobody who writes `post` means another one.
fn method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    match upper == text {
        true => Ok(upper),
        false => Err(format!("methods are written in capitals: `{upper}`")),
    }
}

/// Runs the command.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Check { file } => check(options, file),
        Action::Explain(explain) => self::explain(options, explain),
    }
}

fn check(options: &Options, file: &Path) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load(file, &Known::read_if_possible(options))? else {
        return Ok(ExitCode::from(1));
    };
    let shown = file.display();
    let mut right = paint(Stream::Stderr, Paint::Green, "the policy is right");
    match loaded.warnings.len() {
        0 => {}
        1 => right.push_str(", with 1 warning"),
        more => right.push_str(&format!(", with {more} warnings")),
    }
    note(&format!("{shown}: {right}"));
    Ok(ExitCode::SUCCESS)
}

/// The policy with its signatures; `None` after its mistakes were printed. Warnings are printed too.
pub(crate) fn load(file: &Path, known: &Known) -> anyhow::Result<Option<Loaded>> {
    let text = read_text("policy", file)?;
    let problems = match egret_proxy::load_policy(file, &text, 1, known.ids()) {
        Ok(loaded) => {
            let key = FingerprintKey::new([0; 32]);
            // Some mistakes show only when all signatures are compiled together.
            Scanner::new(loaded.catalog.clone(), KnownSecrets::none(), key)
                .with_context(|| format!("the signatures of `{}`", file.display()))?;
            for warning in &loaded.warnings {
                note(&format!("{warning} (warning)\n  help: {}", warning.help));
            }
            return Ok(Some(loaded));
        }
        Err(LoadError::Policy { problems }) => problems,
        Err(other) => return Err(other.into()),
    };
    print(&mistakes::render(&problems, &text, Stream::Stdout))?;
    note(&format!(
        "{}: {}",
        file.display(),
        mistakes::count(&problems)
    ));
    Ok(None)
}

/// The known secrets, as far as this command could read them.
pub(crate) enum Known {
    Read(KnownSecrets),
    Unread,
}

impl Known {
    /// A policy is often checked where the secrets are not: then their ids cannot be.
    fn read_if_possible(options: &Options) -> Self {
        let config = config::load(options, Depth::Syntax);
        let sources = config.ok().filter(|settings| settings.file.is_some());
        let known = sources
            .and_then(|settings| egret_proxy::known_secrets(&settings.proxy.known_secrets).ok());
        known.map_or(Self::Unread, Self::Read)
    }

    pub(crate) fn ids(&self) -> KnownIds<'_> {
        match self {
            Self::Read(known) => KnownIds::Exactly(known.signatures()),
            Self::Unread => KnownIds::Unread,
        }
    }
}

fn explain(options: &Options, explain: &Explain) -> anyhow::Result<ExitCode> {
    let target = Target::parse(&explain.url)?;
    let known = Known::read_if_possible(options);
    let Some(Loaded {
        policy, catalog, ..
    }) = load(&explain.file, &known)?
    else {
        return Ok(ExitCode::from(1));
    };
    let key = key(options, &policy);
    let secrets = match known {
        Known::Read(known) => known,
        Known::Unread => KnownSecrets::none(),
    };
    let scanner =
        Scanner::new(catalog, secrets, key).context("the catalogue cannot be compiled")?;
    let scanner = Arc::new(scanner);
    let findings = findings(&scanner, explain, &target)?;
    let head = RequestHead {
        method: explain.method.as_str().into(),
        path_and_query: target.path_and_query.as_str().into(),
        version: Version::H1,
    };
    let flow = Flow {
        id: FlowId(0, 0),
        client: ClientAddr((Ipv4Addr::LOCALHOST, 0).into()),
        original: None,
        via: Via::Proxy,
    };
    let facts = Facts {
        flow: &flow,
        host: Some(&target.host),
        address: explain.address.or(target.host.address()),
        port: target.port,
        tls: target.tls,
        request: Some(&head),
        findings: &findings,
        trouble: None,
    };
    let verdict = policy.judge(&facts);
    print(&shown_verdict(&verdict, &findings))?;
    print(&policy.explain(&facts))?;
    Ok(ExitCode::SUCCESS)
}

/// Fingerprints are not shown here: any key will do, unless the policy names some. No state is made.
fn key(options: &Options, policy: &Policy) -> FingerprintKey {
    let any = FingerprintKey::new([0; 32]);
    if !policy.names_credentials() {
        return any;
    }
    let settings = config::load(options, Depth::Syntax);
    let key = settings.and_then(|settings| {
        let dir = &settings.proxy.state_dir;
        egret_proxy::state::present_fingerprint_key(dir)?
            .with_context(|| format!("there is none in the state folder `{}` yet", dir.display()))
    });
    key.unwrap_or_else(|error| {
        note(&format!(
            "warning: the key of the fingerprints cannot be read, so no credential is known as one that a rule \
             names: {error:#}"
        ));
        any
    })
}

fn shown_verdict(verdict: &Verdict, findings: &[Finding]) -> String {
    let colour = match verdict.action {
        VerdictAction::Allow | VerdictAction::Tunnel => Paint::Green,
        VerdictAction::Redact => Paint::Yellow,
        VerdictAction::Deny => Paint::Red,
    };
    let mut text = format!(
        "verdict: {}",
        paint(Stream::Stdout, colour, verdict.action.as_str())
    );
    if let Some(code) = verdict.code {
        text.push_str(&format!(" ({}: {})", code.as_str(), code.message()));
    }
    text.push_str(&format!("\nbecause: {}\n", verdict.because.join(", ")));
    if !verdict.enforced {
        text.push_str("not enforced: the policy is in audit mode, the request would pass\n");
    }
    for (finding, disposition) in findings.iter().zip(&verdict.findings) {
        let home = match disposition {
            Disposition { at_home: true, .. } => ", in its proper place",
            Disposition {
                is_foreign: true, ..
            } => ", not one that the rule names",
            _ => "",
        };
        text.push_str(&format!(
            "finding: {} in {}, bytes {}..{}: {}{home}\n",
            finding.signature.id,
            finding.part,
            finding.span.start,
            finding.span.end,
            disposition.action.as_str()
        ));
    }
    text
}

/// The parts of a URL that rules speak of.
struct Target {
    host: Host,
    port: u16,
    tls: bool,
    path_and_query: String,
}

impl Target {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let help = "write a whole URL, like https://api.example.com/v1/chat";
        let (tls, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => anyhow::bail!("the URL has neither http:// nor https://; {help}"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let (host, port) = Host::parse_authority(authority)
            .with_context(|| format!("the URL's host cannot be used; {help}"))?;
        let path = path.split('#').next().unwrap_or_default();
        Ok(Target {
            host,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            tls,
            path_and_query: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
        })
    }
}

fn findings(
    scanner: &Arc<Scanner>,
    explain: &Explain,
    target: &Target,
) -> anyhow::Result<Vec<Finding>> {
    let url = target.path_and_query.as_bytes();
    let mut findings = scan(scanner, Place::Url, Carrier::Url, url)?;
    let mut content_type = None;
    for header in &explain.header {
        let (name, value) = header.split_once(':').with_context(|| {
            "a header is written with a colon, like --header 'accept: */*'".to_owned()
        })?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "content-type" {
            content_type = Some(Carrier::from_content_type(value));
        }
        let place = Place::Header(name.into_boxed_str());
        findings.extend(scan(scanner, place, Carrier::Header, value.as_bytes())?);
    }
    if let Some(file) = &explain.body {
        let body = body(file)?;
        findings.extend(scan(
            scanner,
            Place::Body,
            content_type.unwrap_or(Carrier::Unlabelled),
            &body,
        )?);
    }
    Ok(findings)
}

fn scan(
    scanner: &Arc<Scanner>,
    place: Place,
    carrier: Carrier,
    bytes: &[u8],
) -> anyhow::Result<Vec<Finding>> {
    let part = Part {
        side: Side::Request,
        place,
    };
    let shown = part.to_string();
    let options = SessionOptions {
        part,
        carrier,
        mask: Arc::new(MaskSet::none()),
    };
    let scanned = scanner
        .scan(bytes, options)
        .with_context(|| format!("{shown} cannot be scanned, so the request would be refused"))?;
    Ok(scanned.findings)
}

fn body(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read the body from standard input")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("cannot read the body `{}`", file.display()))
}
