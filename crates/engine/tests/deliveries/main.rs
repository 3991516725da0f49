//! Outgoing webhooks, on both databases: to a receiver on this machine, on simulated time.

#![cfg(test)]

mod ends;
#[path = "../../../connect/tests/it/server.rs"]
#[expect(dead_code, reason = "a part of it is enough here")]
mod server;
mod signed;
#[path = "../support/mod.rs"]
mod support;
mod survives;

use connectus_core::{
    Page, SubscriptionId, TenantCtx,
    delivery::{Attempt, Delivery, Subscription},
    event::EventType,
};
use connectus_engine::deliveries::subscriptions::{self, NewSubscription};
use connectus_store::deliveries::DeliveryFilter;
use connectus_testkit::TestStore;
use secrecy::SecretString;
use serde_json::json;

use self::{
    server::{Answer, Request, Server},
    support::Rig,
};

/// A tenant, an engine, and a receiver it may reach.
struct Post {
    rig: Rig,
    receiver: Server,
}

impl Post {
    async fn open(
        db: &TestStore,
        answers: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let receiver = Server::start(answers).await;
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let rig = Rig::reaching(db, ctx, &[&receiver.addr.to_string()]);
        Self { rig, receiver }
    }

    fn ctx(&self) -> &TenantCtx {
        &self.rig.ctx
    }

    async fn subscribe(&self, events: &[&str]) -> (Subscription, SecretString) {
        let new = NewSubscription {
            url: self.receiver.url() + "/hooks?a=b",
            events: events.iter().map(|one| (*one).to_owned()).collect(),
            description: String::new(),
        };
        let policy = self.rig.parts.connections.egress();
        subscriptions::create(&self.rig.parts.store, policy, self.ctx(), new).await.unwrap()
    }

    async fn emit(&self, kind: EventType, subject: &str) {
        let (ctx, subject) = (self.ctx().clone(), subject.to_owned());
        let emitted = self.rig.parts.store.write(move |tx| {
            Box::pin(async move { tx.emit(&ctx, kind, subject, json!({"n": 1})).await })
        });
        emitted.await.unwrap();
    }

    async fn deliver(&self) {
        self.rig.engine.deliver_until_idle().await.unwrap();
    }

    fn sent(&self) -> usize {
        self.receiver.requests().len()
    }

    async fn subscription(&self, id: &SubscriptionId) -> Subscription {
        subscriptions::find(&self.rig.parts.store, self.ctx(), id).await.unwrap()
    }

    /// Newest first.
    async fn deliveries(&self, of: &SubscriptionId) -> Vec<Delivery> {
        let filter = DeliveryFilter { subscription: Some(of.clone()), status: None };
        let mut conn = self.rig.parts.store.read().await.unwrap();
        let page = Page { limit: 200, offset: 0 };
        conn.deliveries(self.ctx(), &filter, page).await.unwrap().items
    }

    async fn attempts(&self, of: &Delivery) -> Vec<Attempt> {
        let mut conn = self.rig.parts.store.read().await.unwrap();
        conn.delivery_attempts(self.ctx(), &of.id, 100).await.unwrap()
    }

    async fn count(&self, kind: EventType) -> usize {
        let mut conn = self.rig.parts.store.read().await.unwrap();
        let events = conn.events_after(self.ctx(), 0, 10_000).await.unwrap();
        events.iter().filter(|event| event.kind == kind).count()
    }
}
