//! Sums put together: by day and subject, and all of them.

use std::collections::BTreeMap;

use connectus_core::analytics::{Place, Sum};

/// Figures that are made of sums.
pub trait Fold: Default {
    /// Adds a sum; whether it was one of these.
    fn add(&mut self, place: &Place, sum: Sum) -> bool;

    /// With what follows from the sums worked out.
    #[must_use]
    fn done(self) -> Self;
}

/// Figures of one day and subject each, oldest day first, and of all of them together.
pub struct Folded<F> {
    /// Day, subject, figures.
    pub items: Vec<(String, String, F)>,
    /// All of them.
    pub totals: F,
}

/// Puts sums together.
pub fn by_day<F: Fold>(sums: impl IntoIterator<Item = (Place, Sum)>) -> Folded<F> {
    let (mut totals, mut items) = (F::default(), BTreeMap::<(String, String), F>::new());
    for (place, sum) in sums {
        totals.add(&place, sum);
        let key = (place.day.clone(), place.subject.clone());
        items.entry(key).or_default().add(&place, sum);
    }
    let item = |((day, subject), figures): ((String, String), F)| (day, subject, figures.done());
    Folded { items: items.into_iter().map(item).collect(), totals: totals.done() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Count(u64, bool);

    impl Fold for Count {
        fn add(&mut self, _: &Place, sum: Sum) -> bool {
            self.0 += sum.count;
            true
        }

        fn done(self) -> Self {
            Self(self.0, true)
        }
    }

    #[test]
    fn sums_are_put_together_by_day_and_subject() {
        let sum = |day: &str, subject: &str, count| {
            let place = Place { day: day.into(), subject: subject.into(), label: "x".into() };
            (place, Sum { count, ..Sum::default() })
        };
        let sums = [sum("d2", "a", 1), sum("d1", "b", 2), sum("d2", "a", 4), sum("d1", "a", 8)];
        let folded = by_day::<Count>(sums);
        let items: Vec<_> = folded.items.iter().map(|(d, s, c)| (&**d, &**s, c.0, c.1)).collect();
        let expected = [("d1", "a", 8, true), ("d1", "b", 2, true), ("d2", "a", 5, true)];
        assert_eq!(items, expected);
        assert_eq!((folded.totals.0, folded.totals.1), (15, true));
    }
}
