//! Pairs of records in flows both ways, played through: both sides come to agree, and then neither
//! is written again.

use connectus_core::{
    Timestamp,
    canonical::Digest,
    flow::{
        ConflictPolicy,
        pair::{Arrival, Pair, Sides},
    },
};
use proptest::{collection::vec, prelude::*};

/// What happens between two syncs.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Somebody writes here.
    Here(u8),
    /// Somebody writes at the provider.
    There(u8),
    /// A sync.
    Sync,
    /// A sync that dies after what came in was written.
    Dies,
}

/// How a provider changes what it is sent, and how the mappings do.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// The provider keeps values without their lowest bits.
    kept: u8,
    /// So does the mapping of what comes in.
    inbound: u8,
}

struct World {
    shape: Shape,
    policy: ConflictPolicy,
    here: u8,
    here_changed: i64,
    there: u8,
    there_changed: i64,
    pair: Pair,
    now: i64,
    writes: u32,
}

fn digest(value: u8) -> Digest {
    Digest::of(&[value])
}

impl World {
    fn new(shape: Shape, policy: ConflictPolicy, here: u8, there: u8) -> Self {
        let (pair, kept) = (Pair::default(), there & shape.kept);
        let (here_changed, there_changed, now, writes) = (0, 0, 1, 0);
        Self { shape, policy, here, here_changed, there: kept, there_changed, pair, now, writes }
    }

    fn play(&mut self, event: Event) {
        self.now += 1;
        match event {
            Event::Here(value) => (self.here, self.here_changed) = (value, self.now),
            Event::There(value) => {
                (self.there, self.there_changed) = (value & self.shape.kept, self.now);
            }
            Event::Dies => self.pull(false),
            Event::Sync => {
                self.pull(false);
                self.push();
            }
        }
    }

    fn pull(&mut self, forced: bool) {
        let mapped = self.there & self.shape.inbound;
        let sides = Sides {
            there: digest(mapped),
            differs: self.here != mapped,
            settled: self.pair.here == Some(digest(mapped)),
            here: Some(digest(self.here)),
            there_changed: Some(Timestamp(self.there_changed)),
            here_changed: Timestamp(self.here_changed),
        };
        let arrival = self.pair.arrival(&sides, self.policy, forced);
        if arrival == Arrival::Take {
            (self.here, self.here_changed) = (mapped, self.now);
            self.writes += 1;
        }
        self.pair = self.pair.arrived(arrival, digest(mapped), Some(digest(self.here)));
    }

    fn push(&mut self) {
        if self.pair.must_send(digest(self.here)) {
            (self.there, self.there_changed) = (self.here & self.shape.kept, self.now);
            self.pair = self.pair.sent(digest(self.here));
            self.writes += 1;
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<u8>().prop_map(Event::Here),
        any::<u8>().prop_map(Event::There),
        Just(Event::Sync),
        Just(Event::Dies),
    ]
}

fn policy() -> impl Strategy<Value = ConflictPolicy> {
    prop_oneof![
        Just(ConflictPolicy::SourceWins),
        Just(ConflictPolicy::TargetWins),
        Just(ConflictPolicy::Newest),
        Just(ConflictPolicy::Manual),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_come_to_agree_and_then_neither_is_written_again(
        kept in prop_oneof![Just(0xff_u8), Just(0xfe), Just(0xf0)],
        inbound in prop_oneof![Just(0xff_u8), Just(0xfc)],
        policy in policy(),
        sides in any::<(u8, u8)>(),
        events in vec(event(), 0..12),
    ) {
        let mut world = World::new(Shape { kept, inbound }, policy, sides.0, sides.1);
        for event in events {
            world.play(event);
        }
        // One sync to move what changed, one to take back what was kept otherwise.
        world.play(Event::Sync);
        world.play(Event::Sync);
        if world.pair.undecided {
            prop_assert_eq!(policy, ConflictPolicy::Manual);
            // A person takes the provider's.
            world.pull(true);
            world.play(Event::Sync);
        }
        prop_assert_eq!(world.here, world.there & inbound, "unequal");
        let writes = world.writes;
        for _ in 0..3 {
            world.play(Event::Sync);
        }
        prop_assert_eq!(world.writes, writes, "an echo");
    }

    #[test]
    fn no_change_is_lost_that_nobody_contradicted(
        policy in policy(),
        start in any::<u8>(),
        changes in vec((any::<u8>(), event()), 1..6),
        at_the_provider in any::<bool>(),
    ) {
        let mut world = World::new(Shape { kept: 0xff, inbound: 0xff }, policy, start, start);
        world.play(Event::Sync);
        let mut last = start;
        for (value, then) in changes {
            last = value;
            world.play(if at_the_provider { Event::There(value) } else { Event::Here(value) });
            if matches!(then, Event::Sync | Event::Dies) {
                world.play(then);
            }
        }
        world.play(Event::Sync);
        prop_assert_eq!((world.here, world.there), (last, last));
    }
}
