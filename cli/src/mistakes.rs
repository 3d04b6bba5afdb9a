//! How mistakes in a file are shown: `file:line:column: what`, the line, a caret under it, and what to do next.

use crate::terminal::{Stream, coloured};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use egret_policies::Problem;

/// Renders every problem of one file; colour only where `stream` is a terminal that wants it.
pub(crate) fn render(problems: &[Problem], text: &str, stream: Stream) -> String {
    let renderer = if coloured(stream) {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut shown = String::new();
    for problem in problems {
        shown.push_str(&problem.to_string());
        shown.push('\n');
        shown.push_str(&renderer.render(&[snippet(problem, text)]));
        shown.push_str("\n\n");
    }
    shown
}

/// `1 mistake`, `2 mistakes`.
pub(crate) fn count(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "1 mistake".to_owned(),
        more => format!("{more} mistakes"),
    }
}

fn snippet<'a>(problem: &'a Problem, text: &'a str) -> Group<'a> {
    let span = problem.span.start.min(text.len())..problem.span.end.min(text.len());
    Group::with_level(Level::ERROR)
        .element(Snippet::source(text).annotation(AnnotationKind::Primary.span(span)))
        .element(Level::HELP.message(problem.help.as_str()))
}
