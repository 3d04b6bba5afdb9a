//! How the demo looks: from what was played to lines of text. Pure but for asking whether colour is welcome.

use serde_json::Value;

use super::agent::Done;
use super::scene::{Escape, Scene};
use super::stage::{Found, Log, Played, Stage};
use crate::terminal::{Paint, Stream, paint, printable};

/// Longest line of quoted content, in characters.
const WIDTH: usize = 84;

/// The head of the page.
pub(crate) fn opening(stage: &Stage) -> String {
    let agent = match stage.cage {
        Ok(()) => {
            "The agent runs in a cage (`egret exec`): a network with nothing in it but Egret."
        }
        Err(_) => "The agent has HTTPS_PROXY and a certificate authority in its environment.",
    };
    format!(
        "\n{}\n\n    agent  -->  {}  -->  api.openai.com, api.anthropic.com, www.example.com, ...\n\n    {}\n    {}\n",
        strong("Egret: an egress firewall for AI agents"),
        paint(Stream::Stdout, Paint::Green, "egret"),
        dim(agent),
        dim("The services are built in: nothing leaves this machine. All secrets are made up."),
    )
}

/// The head of the second part.
pub(crate) fn escapes() -> String {
    format!("\n{}\n", strong("The agent tries to get past Egret"))
}

/// What stands there instead where there can be no cage.
pub(crate) fn no_cage(reason: &str) -> String {
    let mut page = format!("\n{}\n", strong("Attempts to get past Egret are not shown"));
    for reason in reason.lines() {
        line(&mut page, "", &printable(reason));
    }
    page
}

/// Whether an attempt failed as it must.
pub(crate) fn is_refused(escape: &Escape, done: &Done) -> bool {
    [&done.stdout, &done.stderr]
        .iter()
        .any(|text| text.contains(escape.refusal))
}

/// One attempt.
pub(crate) fn escape(number: usize, escape: &Escape, done: &Done) -> String {
    let refused = is_refused(escape, done);
    let verb = verb(if refused { "deny" } else { "allow" }, 6);
    let number = dim(&format!("{number}."));
    let mut page = format!("\n{number} {verb} {}\n", strong(escape.title));
    line(
        &mut page,
        "agent",
        &printable(&shorten(&escape.command.join(" "), WIDTH)),
    );
    let said = [&done.stdout, &done.stderr]
        .into_iter()
        .flat_map(|text| text.lines());
    let telling = said.clone().find(|said| said.contains(escape.refusal));
    let said = telling
        .or_else(|| said.into_iter().next())
        .unwrap_or("nothing");
    let denial: Value = serde_json::from_str(said).unwrap_or_default();
    let said = denial
        .pointer("/error/message")
        .and_then(Value::as_str)
        .unwrap_or(said);
    line(
        &mut page,
        "",
        &format!("got {}", printable(&shorten(said, WIDTH))),
    );
    if !refused {
        line(
            &mut page,
            "",
            &paint(
                Stream::Stdout,
                Paint::Red,
                "not as expected: it was not refused",
            ),
        );
    }
    page
}

/// One scene.
pub(crate) fn scene(number: usize, scene: &Scene, played: &Played, problems: &[String]) -> String {
    let mut page = format!(
        "\n{} {} {}\n",
        dim(&format!("{number}.")),
        verb(effect(played), 6),
        strong(scene.title)
    );
    let url = scene.curl.first().map_or("", String::as_str);
    let method = if scene.curl.iter().any(|argument| argument == "--data") {
        "POST"
    } else {
        "GET"
    };
    line(
        &mut page,
        "agent",
        &format!(
            "{method} {}",
            around(url, scene.secret.as_deref(), Paint::Red)
        ),
    );
    for content in contents(&scene.curl) {
        line(
            &mut page,
            "",
            &around(content, scene.secret.as_deref(), Paint::Red),
        );
    }
    line(&mut page, "in it", &scene.carries);
    line(&mut page, "egret", &verdict(played));
    for finding in &played.findings {
        line(&mut page, "", &found(finding));
    }
    line(&mut page, "origin", &arrived(scene, played));
    let mut back = came_back(scene, played).into_iter();
    let first = back.next().unwrap_or_default();
    line(
        &mut page,
        "agent",
        &format!("got {} {first}", status(played.status)),
    );
    for further in back {
        line(&mut page, "", &further);
    }
    for problem in problems {
        let problem = paint(
            Stream::Stdout,
            Paint::Red,
            &format!("not as expected: {problem}"),
        );
        line(&mut page, "", &problem);
    }
    page
}

/// The foot of the page.
pub(crate) fn closing(log: &Log, scenes: usize, wrong: usize) -> String {
    let chain = if log.holds { Paint::Green } else { Paint::Red };
    let mut page = format!("\n{}\n", strong("The audit log"));
    for said in log.said.lines() {
        line(
            &mut page,
            "verify",
            &paint(Stream::Stdout, chain, &printable(said)),
        );
    }
    let summary = if wrong == 0 && log.holds {
        paint(
            Stream::Stdout,
            Paint::Green,
            &format!("All {scenes} verdicts as expected."),
        )
    } else {
        paint(
            Stream::Stdout,
            Paint::Red,
            &format!("{wrong} of {scenes} scenes not as expected."),
        )
    };
    format!("{page}\n{summary}\n")
}

fn line(page: &mut String, label: &str, text: &str) {
    page.push_str(&format!("   {} {text}\n", dim(&format!("{label:>7}"))));
}

/// The headers and bodies among curl's arguments, without what every request has.
fn contents(curl: &[String]) -> impl Iterator<Item = &str> {
    let pairs = curl.iter().zip(curl.iter().skip(1));
    let shown = pairs.filter(|(option, _)| ["--header", "--data"].contains(&option.as_str()));
    let values = shown.map(|(_, value)| value.as_str());
    values.filter(|value| !value.starts_with("content-type") && !value.starts_with("x-agent"))
}

/// The strictest thing that was done: a request may be allowed and its answer redacted.
fn effect(played: &Played) -> &str {
    let redacted = played
        .findings
        .iter()
        .any(|finding| finding.action == "redact");
    match played.verdict.as_str() {
        "allow" if redacted => "redact",
        verdict => verdict,
    }
}

/// What was done, in capitals and in its colour, at least `width` wide.
fn verb(action: &str, width: usize) -> String {
    let colour = match action {
        "allow" => Paint::Green,
        "redact" => Paint::Yellow,
        _ => Paint::Red,
    };
    paint(
        Stream::Stdout,
        colour,
        &format!("{:<width$}", action.to_uppercase()),
    )
}

fn verdict(played: &Played) -> String {
    let code = played
        .code
        .as_deref()
        .map(|code| format!("{code}, "))
        .unwrap_or_default();
    let rules: Vec<String> = played
        .because
        .iter()
        .map(|rule| format!("`{rule}`"))
        .collect();
    let because = format!("because of {}", rules.join(", "));
    format!("{}  {code}{}", verb(&played.verdict, 0), dim(&because))
}

fn found(finding: &Found) -> String {
    let path = finding
        .path
        .as_deref()
        .map(|path| format!(" at {}", printable(path)));
    let colour = match finding.action.as_str() {
        "allow" => Paint::Green,
        "redact" => Paint::Yellow,
        _ => Paint::Red,
    };
    format!(
        "{} {} in {}{}",
        paint(Stream::Stdout, colour, &finding.action),
        finding.signature,
        printable(&finding.part),
        path.unwrap_or_default(),
    )
}

fn arrived(scene: &Scene, played: &Played) -> String {
    let Some(seen) = &played.arrived else {
        return dim("saw nothing");
    };
    let mark = |text: &str| match scene.secret.as_deref() {
        Some(secret) if text.contains(secret) => around(text, Some(secret), Paint::Green),
        _ => around(text, mask(text), Paint::Yellow),
    };
    let key = seen
        .headers
        .iter()
        .find(|(name, _)| name == "authorization");
    match key {
        Some((name, value)) => format!("got {}", mark(&format!("{name}: {value}"))),
        None => format!("got {}", mark(&seen.text)),
    }
}

fn status(status: u16) -> String {
    let colour = if status == 200 {
        Paint::Green
    } else {
        Paint::Red
    };
    paint(Stream::Stdout, colour, &status.to_string())
}

/// What the agent got: the sentence of a denial, what the model said, or the event that was touched.
fn came_back(scene: &Scene, played: &Played) -> Vec<String> {
    let answer: Value = serde_json::from_str(&played.answer).unwrap_or_default();
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
    if let Some(message) = text("/error/message") {
        let next = text("/error/next_step").unwrap_or_default();
        let lines = wrap(&printable(next)).into_iter().map(|line| dim(&line));
        return std::iter::once(printable(message).into_owned())
            .chain(lines)
            .collect();
    }
    if let Some(said) = text("/choices/0/message/content").or_else(|| text("/content/0/text")) {
        return vec![format!("\"{}\"", around(said, mask(said), Paint::Yellow))];
    }
    let touched = played.answer.lines().find(|line| mask(line).is_some());
    let text = touched
        .filter(|_| scene.secret.is_some())
        .or_else(|| played.answer.lines().next());
    vec![
        text.map(|text| around(text, mask(text), Paint::Yellow))
            .unwrap_or_default(),
    ]
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The mask that stands where a secret stood: `[signature]` and the stars after it.
fn mask(text: &str) -> Option<&str> {
    let stars = text.find("]*")?;
    let begin = text.get(..stars)?.rfind('[')?;
    let rest = text.get(stars + 1..)?;
    let length = rest
        .find(|character| character != '*')
        .unwrap_or(rest.len());
    text.get(begin..stars + 1 + length)
}

/// `text` cut to a line around the `part` that matters, which is coloured.
fn around(text: &str, part: Option<&str>, colour: Paint) -> String {
    let Some((before, part, after)) = part.and_then(|part| {
        text.split_once(part)
            .map(|(before, after)| (before, part, after))
    }) else {
        return printable(&shorten(text, WIDTH)).into_owned();
    };
    let part = shorten(part, 44);
    let room = WIDTH.saturating_sub(part.chars().count());
    let after = shorten(after, room / 2);
    let room = room.saturating_sub(after.chars().count());
    let skipped = before.chars().count().saturating_sub(room);
    let before: String = before.chars().skip(skipped).collect();
    let dots = if skipped > 0 { "…" } else { "" };
    format!(
        "{dots}{}{}{}",
        printable(&before),
        paint(Stream::Stdout, colour, &printable(&part)),
        printable(&after)
    )
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn strong(text: &str) -> String {
    paint(Stream::Stdout, Paint::Strong, text)
}

fn dim(text: &str) -> String {
    paint(Stream::Stdout, Paint::Dim, text)
}
