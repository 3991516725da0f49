//! What every driver must do, on both databases.
//!
//! The cases know a driver by [`driver::Driver`] only, and see what it did where everybody sees it:
//! in the views of the store and at the provider. A second driver implements the trait and gets a
//! module in [`each_driver`]; the cases stay as they are.
#![cfg(test)]

mod cancels;
mod chains;
mod children;
mod dag;
mod dedupe;
mod driver;
mod loops;
mod payloads;
mod poison;
mod policies;
mod retries;
mod sagas;
mod scene;
mod signals;
#[path = "../support/mod.rs"]
mod support;
mod timers;
mod turns;

/// Declares cases, each of which gets a [`scene::Scene`] and runs with every driver on both
/// databases.
#[macro_export]
macro_rules! each_driver {
    ($($(#[$doc:meta])* async fn $name:ident($scene:ident: Scene) $body:block)*) => {
        $(
            $(#[$doc])*
            async fn $name<D: $crate::driver::Driver>($scene: $crate::scene::Scene<D>) $body
        )*

        mod embedded {
            connectus_testkit::both! {$(
                async fn $name(db: TestStore) {
                    let scene = $crate::scene::open::<$crate::driver::Embedded>(&db).await;
                    super::super::$name(scene).await;
                }
            )*}
        }
    };
}
