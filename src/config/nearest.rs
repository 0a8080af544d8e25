//! The nearest of some known words to a misspelt one.

/// The word of `known` that `word` was probably meant to be: at most one slip in three
/// letters, begun ones counted. Two letters that changed places are two slips.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = word.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be added, dropped or changed (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut left = line + 1;
        let mut next = vec![left];
        for ((above_left, above), other) in row.iter().zip(row.iter().skip(1)).zip(to.chars()) {
            let changed = above_left + usize::from(letter != other);
            left = changed.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["timeout", "interval", "max_interval"];
        assert_eq!(nearest("timout", known), Some("timeout"));
        assert_eq!(nearest("intreval", known), Some("interval"));
        assert_eq!(nearest("max-interval", known), Some("max_interval"));
        assert_eq!(nearest("journal", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn the_distance_counts_letters_added_dropped_and_changed() {
        assert_eq!(distance("hold", "hold"), 0);
        assert_eq!(distance("", "hold"), 4);
        assert_eq!(distance("hold", "bolds"), 2);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
