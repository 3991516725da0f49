//! Data flows end to end: the fake of a provider on one side, a collection on the other.

#[cfg(test)]
mod both_ways;
#[cfg(test)]
mod conflicts;
#[cfg(test)]
mod editing;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gone;
#[cfg(test)]
mod inbound;
#[cfg(test)]
mod outbound;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod rejected;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod schema;
