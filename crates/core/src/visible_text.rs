//! Makes invisible characters in untrusted text visible, before the text reaches a terminal, a log
//! or a status.

/// Escapes each character of a text that is invisible, moves a terminal's cursor or changes the
/// direction of the text. If `keep_lines` is set, line feeds are not escaped.
#[must_use]
pub fn visible(text: &str, keep_lines: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        let is_kept = keep_lines && char == '\n';
        if !is_kept && is_invisible(char) {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Escapes the first `chars` characters of a text as [`visible`] does, and replaces the remaining
/// text with `…`. Unlike `visible`, `visible_beginning` always escapes line feeds.
#[must_use]
pub fn visible_beginning(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => visible(&text[..end], false) + "…",
        None => visible(text, false),
    }
}

/// Returns true if a character is a control character or is invisible. Two texts that differ only
/// in invisible characters look the same. A character is invisible if Unicode tells programs not to
/// display it (`Default_Ignorable_Code_Point`), if it separates lines or paragraphs, or if it marks
/// an annotation.
#[must_use]
pub fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_text_is_one_visible_line() {
        assert_eq!(visible_beginning("a\nb", 3), "a\\u{a}b");
        assert_eq!(visible_beginning("\u{1b}éa", 2), "\\u{1b}é…");
    }

    #[test]
    fn control_escape_bidirectional_and_zero_width_characters_become_visible() {
        for (char, shown) in [
            ('\u{1b}', "a\\u{1b}b"),
            ('\u{7f}', "a\\u{7f}b"),
            ('\u{9b}', "a\\u{9b}b"),
            ('\u{202e}', "a\\u{202e}b"),
            ('\u{2066}', "a\\u{2066}b"),
            ('\u{200b}', "a\\u{200b}b"),
            ('\u{feff}', "a\\u{feff}b"),
            ('\u{e0041}', "a\\u{e0041}b"),
            ('\u{34f}', "a\\u{34f}b"),
            ('\u{180e}', "a\\u{180e}b"),
            ('\u{3164}', "a\\u{3164}b"),
            ('\u{e0100}', "a\\u{e0100}b"),
            ('\r', "a\\u{d}b"),
            ('é', "aéb"),
        ] {
            assert_eq!(visible(&format!("a{char}b"), true), shown);
        }
        assert_eq!(visible("a\nb", true), "a\nb");
        assert_eq!(visible("a\nb", false), "a\\u{a}b");
    }
}
