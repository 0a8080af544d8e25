//! In which boots of the machine a journal was written: found without reading all of it.
use super::store::Store;
use crate::journal::Number;
use crate::journal::fault::StoreError;
use crate::timing::{Boot, Stamp};

impl Store {
    /// The boots in which its exchanges began, in their order.
    pub(in crate::journal) fn boots(&self) -> Result<Vec<Boot>, StoreError> {
        let (mut boots, end) = (Vec::new(), self.next_number()?);
        let mut next = self.begun(0)?;
        while let Some((number, first)) = next {
            // The exchanges of a boot stand together: up to `inside` they are of it, from `outside` on
            // they are not.
            let (mut inside, mut outside) = ((number, first), (end, None));
            while inside.0 + 1 < outside.0 {
                let middle = u64::midpoint(inside.0, outside.0);
                match self.begun(middle)? {
                    Some(found) if found.1.boot == first.boot => inside = found,
                    other => outside = (middle, other),
                }
            }
            let last = inside.1;
            boots.push(Boot { first, last });
            next = outside.1;
        }
        Ok(boots)
    }

    /// The first exchange from a number on, and when it began.
    fn begun(&self, from: u64) -> Result<Option<(u64, Stamp)>, StoreError> {
        let mut found = None;
        self.walk(Number(from), |remembered| {
            found = Some((remembered.number.0, remembered.submitted));
            false
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples::{entry, head};
    use crate::journal::tests::{directory, store};
    use crate::journal::{Change, Entry};

    /// An exchange that began in a boot; with gaps between the numbers, as what was forgotten leaves.
    fn begun(number: u64, boot: u64) -> Entry {
        let intent = entry(number, 0, Change::Submitted(Box::new(head(1))));
        let stamp = Stamp {
            boot,
            ..intent.stamp
        };
        Entry { stamp, ..intent }
    }

    #[test]
    fn each_boot_is_found_with_its_first_stamp_and_its_last() {
        for counts in [&[][..], &[1], &[1, 1], &[40, 1, 7, 100], &[0, 64, 2]] {
            let room = directory();
            let (_site, store) = store(room.path());
            let (mut number, mut expected) = (1, Vec::new());
            for (boot, &count) in counts.iter().enumerate() {
                let numbers = (0..count).map(|index| number + 3 * index);
                let entries: Vec<_> = numbers.map(|it| begun(it, boot as u64)).collect();
                if let [first, ..] = &entries[..] {
                    let last = entries[entries.len() - 1].stamp;
                    let first = first.stamp;
                    expected.push(Boot { first, last });
                    store.append(&entries).unwrap();
                }
                number += 3 * count;
            }
            store.checkpoint().unwrap();
            assert_eq!(store.boots().unwrap(), expected, "{counts:?}");
        }
    }
}
