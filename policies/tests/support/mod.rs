//! Texts in which the places of mistakes are marked: `‹` stands before the first byte of each.

/// Takes out the marks; returns the text and the line and column of each.
pub(crate) fn unmarked(marked: &str) -> (String, Vec<(usize, usize)>) {
    let (mut text, mut places, mut line, mut column) = (String::new(), Vec::new(), 1, 1);
    for character in marked.chars() {
        match character {
            '‹' => {
                places.push((line, column));
                continue;
            }
            '\n' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
        text.push(character);
    }
    (text, places)
}
