//! Things by their names. A name is copied when its thing is made, and never to find it.
use std::collections::BTreeMap;

/// Things by their names.
#[derive(Debug)]
pub(in crate::polling) struct Named<T>(BTreeMap<Box<str>, T>);

impl<T> Named<T> {
    /// None yet.
    pub(in crate::polling) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// What `change` makes of the thing of a name, which is made first if there is none.
    pub(in crate::polling) fn with<R>(
        &mut self,
        name: &str,
        make: impl FnOnce() -> T,
        change: impl FnOnce(&mut T) -> R,
    ) -> R {
        if let Some(thing) = self.0.get_mut(name) {
            return change(thing);
        }
        change(self.0.entry(name.into()).or_insert_with(make))
    }

    /// The thing of a name.
    pub(in crate::polling) fn find(&self, name: &str) -> Option<&T> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub(in crate::polling) fn iter(&self) -> impl Iterator<Item = (&Box<str>, &T)> {
        self.0.iter()
    }

    /// All of them, to be changed.
    pub(in crate::polling) fn all(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.values_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_made_once_and_found_by_its_name() {
        let mut counts = Named::new();
        let mut count = |name| {
            counts.with(
                name,
                || 0,
                |count| {
                    *count += 1;
                    *count
                },
            )
        };
        assert_eq!(["one", "other", "one"].map(&mut count), [1, 1, 2]);
        assert_eq!((counts.find("one"), counts.find("none")), (Some(&2), None));
        counts.all().for_each(|count| *count = 0);
        let named: Vec<_> = counts
            .iter()
            .map(|(name, count)| (&**name, *count))
            .collect();
        assert_eq!(named, [("one", 0), ("other", 0)]);
    }
}
